// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package modcache

import "io/fs"

// allocated is what info's file takes of a disk with blocks of 4 KiB.
func allocated(info fs.FileInfo) int64 { return blocks(info.Size()) }
