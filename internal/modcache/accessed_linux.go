// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"io/fs"
	"syscall"
	"time"
)

// accessed is when a file was last used.
func accessed(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(int64(s.Atim.Sec), int64(s.Atim.Nsec)) //nolint:unconvert // 32 bits on some machines
	}
	return info.ModTime()
}
