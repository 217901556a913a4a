// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command generate renders the dashboards into grafana/, below the working directory.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/modtap/modtap/dashboards"
)

func main() {
	if err := generate("grafana"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// generate leaves nothing in dir that isn't rendered now.
func generate(dir string) error {
	files, err := dashboards.Render()
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if files[filepath.Base(path)] == nil {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
