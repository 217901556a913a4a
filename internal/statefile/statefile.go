// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package statefile opens the files that Modtap keeps its state in. They are for
// its own user only, and never reached through a symbolic link: whoever could plant
// one would choose which file Modtap overwrites or reads.
package statefile

import (
	"errors"
	"fmt"
	"os"
)

// Mode is that of files, DirMode that of directories.
const (
	Mode    os.FileMode = 0o600
	DirMode os.FileMode = 0o700
)

// errLink says what is wrong and what to do.
var errLink = errors.New("is a symbolic link, which isn't followed; remove it")

// Follow returns an error where path is a symbolic link of another user's. Folders of
// state may be links of our own or of root's, to another disk for one; whoever else may
// write beside them would choose where Modtap writes.
func Follow(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSymlink == 0 || owned(info) || ofRoot(info) {
		return nil //nolint:nilerr // Whoever opens it learns what is wrong with it.
	}
	return fmt.Errorf("%s is a symbolic link of another user's, which isn't followed; remove it", path)
}

// Open is [os.OpenFile] with [Mode]. A link in the file's place is an error; one that
// exists with another mode is tightened if it is ours.
func Open(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|noFollow, Mode)
	if err != nil {
		if info, lerr := os.Lstat(path); lerr == nil && info.Mode()&os.ModeSymlink != 0 {
			return nil, fmt.Errorf("%s %w", path, errLink)
		}
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&^Mode != 0 {
		_ = f.Chmod(Mode) // Not ours: the directory's mode has to do.
	}
	return f, nil
}
