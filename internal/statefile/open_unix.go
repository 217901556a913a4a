// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package statefile

import (
	"os"
	"syscall"
)

const noFollow = syscall.O_NOFOLLOW

// owned tells whether a file belongs to the user that this process runs as.
func owned(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(stat.Uid) == os.Geteuid()
}

// ofRoot tells whether a file belongs to the administrator, who may do as he likes.
func ofRoot(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0
}
