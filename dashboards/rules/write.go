// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write renders the rule files into dir, which it makes if it isn't there, and removes those that it wrote once and that are no longer
// rendered. Other files stay as they are: one of them in the place of a rendered file is an error, and nothing is written.
func Write(dir string, s Settings) error {
	files, err := Render(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("directory of the rule files: %w", err)
	}
	obsolete, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return fmt.Errorf("rule files of %s: %w", dir, err)
	}
	for name := range files {
		path := filepath.Join(dir, name)
		own, err := rendered(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil && !own {
			return fmt.Errorf("%s isn't a rendered rule file: choose another directory, or move it away", path)
		}
	}
	for _, path := range obsolete {
		if files[filepath.Base(path)] != nil {
			continue
		}
		own, err := rendered(path)
		if err == nil && own {
			err = os.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("rule file that is no longer rendered: %w", err)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("rule file: %w", err)
		}
	}
	return nil
}

// rendered tells whether the file begins as [Render] lets it.
func rendered(path string) (bool, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("rule file: %w", err)
	}
	return bytes.HasPrefix(content, []byte(header)), nil
}
