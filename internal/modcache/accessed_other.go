// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin && !windows

package modcache

import (
	"io/fs"
	"time"
)

// accessed is when a file was stored: what is evicted is then the oldest.
func accessed(info fs.FileInfo) time.Time { return info.ModTime() }
