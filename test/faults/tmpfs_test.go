// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ballast fills a disk.
const ballast = "ballast"

// tmpfs mounts a small disk of its own until the test ends. Where that can't be
// done it skips the test loudly, or fails it when CI is set, as backends does.
func tmpfs(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		lacking := t.Skipf
		if os.Getenv("CI") != "" {
			lacking = t.Fatalf
		}
		lacking("SKIPPED: a full disk isn't tested: mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// fill takes all that is left of a disk; empty gives it back.
func fill(t testing.TB, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, ballast), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		n, err := f.Write(block)
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			require.NoError(t, err)
		}
		if n < len(block) {
			block = block[:len(block)/2]
		}
	}
}

func empty(t testing.TB, dir string) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(dir, ballast)))
}
