// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy_test

import (
	"fmt"

	"github.com/modtap/modtap/internal/goproxy"
)

func ExampleParse() {
	r := goproxy.Parse("/api/go/repo/github.com/!burnt!sushi/toml/@v/v1.5.0.zip")
	fmt.Println(r.Operation, r.Module, r.Version)
	fmt.Println(r.Prefix, r.Route())
	fmt.Println(r.File())
	// Output:
	// zip github.com/BurntSushi/toml v1.5.0
	// /api/go/repo /{module}/@v/{version}.zip
	// github.com/!burnt!sushi/toml/@v/v1.5.0.zip
}
