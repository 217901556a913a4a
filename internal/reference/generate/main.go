// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command generate writes the files that [reference.Files] renders.
package main

import (
	"os"
	"path/filepath"

	"github.com/modtap/modtap/internal/reference"
)

func main() {
	files, err := reference.Files()
	for name, text := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join("..", "..", filepath.FromSlash(name)), text, 0o644) //nolint:gosec // Sources are for all to read.
		}
	}
	if err != nil {
		panic(err)
	}
}
