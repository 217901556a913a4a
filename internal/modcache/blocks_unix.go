// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package modcache

import (
	"io/fs"
	"syscall"
)

// allocated is what info's file takes of the disk: st_blocks is in units of 512
// bytes, whatever the file system's are.
func allocated(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return blocks(info.Size())
}
