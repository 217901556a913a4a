// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command generate writes the files of saved objects into the current directory.
package main

import (
	"fmt"
	"os"

	"github.com/modtap/modtap/dashboards/kibana"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	for _, target := range kibana.Targets() {
		text, err := kibana.Render(target)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target.File, text, 0o644); err != nil { //nolint:gosec // it is a source file
			return err
		}
	}
	return nil
}
