// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// on puts data directory or log on a small disk.
func on(where *string, size string) func(*testing.T) string {
	return func(t *testing.T) string {
		*where = tmpfs(t, size)
		return filepath.Join(*where, "modtap")
	}
}

// diskFull fills the disk at *where, and frees it again. A full disk that lasts
// longer than an exporter's patience costs it what it can't keep: that is counted.
func diskFull(where *string) func(*run) {
	return func(r *run) {
		time.Sleep(2 * time.Second)
		fill(r.t, *where)
		// What is freed meanwhile, by a rotation for example, is taken too.
		for end := time.Now().Add(scale(8*time.Second, time.Minute)); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			fill(r.t, *where)
		}
		empty(r.t, *where)
		time.Sleep(3 * time.Second)
	}
}

// dataDeleted deletes the data directory while Modtap uses it.
func dataDeleted(r *run) {
	time.Sleep(2 * time.Second)
	require.Eventually(r.t, func() bool { return os.RemoveAll(r.modtap.data) == nil }, 30*time.Second, time.Millisecond)
	time.Sleep(scale(6*time.Second, time.Minute))
}
