// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// owner is a numeric user and group.
type owner struct{ uid, gid int }

// ids reads USER:GROUP in numbers, as names mean nothing in an image without /etc/passwd. Empty: root.
func ids(text string) (owner, error) {
	if text == "" {
		return owner{}, nil
	}
	user, group, ok := strings.Cut(text, ":")
	uid, err := strconv.Atoi(user)
	if err != nil || !ok {
		return owner{}, fmt.Errorf("%q isn't UID:GID in numbers", text)
	}
	gid, err := strconv.Atoi(group)
	return owner{uid, gid}, err
}

// copyTree copies a file or a directory with what is in it, but for what the patterns leave out.
func copyTree(from, to string, ignored []string, as owner) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if inside != "." && leftOut(filepath.ToSlash(inside), ignored) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		return copyEntry(name, filepath.Join(to, inside), d, as)
	})
}

func copyEntry(from, to string, d fs.DirEntry, as owner) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch {
	case d.IsDir():
		err = os.MkdirAll(to, info.Mode().Perm())
	case info.Mode().IsRegular():
		var content []byte
		if content, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, content, info.Mode().Perm())
		}
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s: symbolic links aren't copied", from)
	}
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	return os.Chown(to, as.uid, as.gid)
}

// readIgnored reads a .dockerignore: * leaves out everything, !NAME takes a name of the first level in again, and **/PATTERN
// leaves out names at any level. Other forms are errors.
func readIgnored(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	patterns := logicalLines(string(text))
	if len(patterns) == 0 || patterns[0] != "*" {
		return nil, fmt.Errorf("%s: doesn't begin by leaving out everything", file)
	}
	for _, pattern := range patterns[1:] {
		name := strings.TrimPrefix(strings.TrimPrefix(pattern, "!"), "**/")
		if name == pattern || strings.ContainsAny(name, "/!") {
			return nil, fmt.Errorf("%s: form of %q not known", file, pattern)
		}
	}
	return patterns, nil
}

// leftOut says whether the last pattern that fits a path leaves it out.
func leftOut(name string, patterns []string) bool {
	first, _, _ := strings.Cut(name, "/")
	left := false
	for _, pattern := range patterns {
		if pattern == "*" {
			left = true
		} else if again, ok := strings.CutPrefix(pattern, "!"); ok && again == first {
			left = false
		} else if base, ok := strings.CutPrefix(pattern, "**/"); ok {
			if fits, _ := path.Match(base, path.Base(name)); fits {
				left = true
			}
		}
	}
	return left
}

// copyOwned copies a root file system with its owners and modes.
func copyOwned(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == from {
			return err
		}
		inside, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		of := info.Sys().(*syscall.Stat_t)
		return copyEntry(name, filepath.Join(to, inside), d, owner{int(of.Uid), int(of.Gid)})
	})
}
