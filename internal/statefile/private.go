// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package statefile

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Private makes a directory for this process's user only, and one that exists
// private. tightened tells whether others had access before. One of another user is
// taken as it is, since what is made in it is private, unless everybody may write
// there: they could replace what Modtap keeps. That is an error, and so is one of the
// system's, such as / or /tmp: others need it as it is.
func Private(dir string) (tightened bool, err error) {
	if err := os.MkdirAll(dir, DirMode); err != nil {
		return false, err
	}
	info, err := os.Stat(dir)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return false, err
	}
	if err := shared(dir, info); err != nil || !owned(info) {
		return false, err
	}
	return true, os.Chmod(dir, DirMode)
}

// shared tells why a directory that others may use too can't be made private.
func shared(dir string, info os.FileInfo) error {
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if owned(info) && systems(dir, info) {
		return fmt.Errorf("%s is there for everybody, and Modtap would make it private; name a directory in it, such as %s", dir, filepath.Join(dir, "modtap"))
	}
	if owned(info) || info.Mode().Perm()&0o002 == 0 {
		return nil
	}
	return fmt.Errorf("%s belongs to another user and everybody may write there; name a directory in it, such as %s, which Modtap makes private",
		dir, filepath.Join(dir, "modtap"))
}

// systems tells whether a directory is one of the system's: / itself or one directly
// below it, or one with the sticky bit, and with something in it that isn't ours. A
// volume that is mounted there is empty, or was ours before: the lock is in it.
func systems(dir string, info os.FileInfo) bool {
	path, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info.Mode()&os.ModeSticky == 0 && filepath.Dir(filepath.Dir(path)) != filepath.Dir(path) {
		return false
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return false
	}
	foreign := false
	for _, e := range entries {
		if e.Name() == "lock" {
			return false
		}
		foreign = foreign || e.Name() != "lost+found"
	}
	return foreign
}
