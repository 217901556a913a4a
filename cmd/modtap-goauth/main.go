// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command modtap-goauth is a GOAUTH command (go help goauth): it has the go
// command send a traceparent and the identity of its CI job to a Modtap, so that
// all its requests are one trace with one root. It is a small program of its own
// because the go command starts it often.
package main

import (
	"os"

	"github.com/modtap/modtap/internal/goauth"
)

func main() { os.Exit(goauth.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
