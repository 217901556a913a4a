// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package statefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CanPrivate returns the error with which [Private] would fail, and changes nothing.
func CanPrivate(dir string) error {
	if err := CanMake(dir); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 && owned(info) && errors.Is(canMakeIn(dir, "chmod", dir), syscall.EROFS) {
		return canMakeIn(dir, "chmod", dir)
	}
	return shared(dir, info)
}

// CanMake returns the error with which [os.MkdirAll] would fail, and changes nothing.
func CanMake(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := CanMake(parent); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(dir); err == nil { // A link into nowhere.
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.EEXIST}
	}
	if !errors.Is(err, fs.ErrNotExist) { // Such as a name that is too long.
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.Unwrap(err)}
	}
	return canMakeIn(filepath.Dir(dir), "mkdir", dir)
}

// CanOpen returns the error with which [Open] would fail for writing, and changes
// nothing. The folder may be one that is still to be made.
func CanOpen(path string) error {
	return canOpen(path, noFollow)
}

// CanAppend is [CanOpen] for a file that may be reached through a link.
func CanAppend(path string) error {
	return canOpen(path, 0)
}

func canOpen(path string, flag int) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := CanMake(filepath.Dir(path)); err != nil {
			return err
		}
		return canMakeIn(filepath.Dir(path), "open", path)
	case err != nil:
		return &fs.PathError{Op: "open", Path: path, Err: errors.Unwrap(err)}
	case info.Mode()&os.ModeSymlink != 0 && flag&noFollow != 0:
		return fmt.Errorf("%s %w", path, errLink)
	case info.Mode()&(os.ModeNamedPipe|os.ModeDevice) != 0:
		return nil // Opening one does something.
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}
