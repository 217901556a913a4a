// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package statefile

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// canMakeIn tells why something can't be made in dir: op and path are those of the
// error. A folder that is to be made itself can be made in.
func canMakeIn(dir, op, path string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if err == nil {
		err = pseudo(dir)
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}
