// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package statefile

import "golang.org/x/sys/unix"

// pseudo returns the error of making something in a file system of the kernel's that
// has no files of users, whatever the mode of its folders.
func pseudo(dir string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return nil //nolint:nilerr // Nothing is known against it.
	}
	switch stat.Type {
	case unix.PROC_SUPER_MAGIC:
		return unix.ENOENT
	case unix.SYSFS_MAGIC:
		return unix.EPERM
	}
	return nil
}
