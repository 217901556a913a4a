// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of size bytes.
func smallDisk(t *testing.T, size string) string {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		require.Empty(t, os.Getenv("CI"), "a full disk needs the right to mount one: %v", err)
		t.Skipf("NOT TESTED: a full disk needs the right to mount one: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func TestFullDiskIsSurvivedInMemory(t *testing.T) {
	dir := smallDisk(t, "4m")
	m := openTest(t, filepath.Join(dir, "journal"), 16<<20) // segments of 2 MiB
	var n uint64
	for ; m.Status().Fault == nil && n < 20_000; n++ {
		appendNumber(m, n, 1000)
	}
	require.ErrorIs(t, m.Status().Fault, unix.ENOSPC)
	for range 6000 {
		appendNumber(m, n, 1000)
		n++
	}
	assert.True(t, m.Status().InMemory)

	got, at, lost := readNumbers(t, m, 0)
	assert.Equal(t, numbers(0, n), got)
	assert.Zero(t, lost)
	m.Release(at) // makes room
	onDisk(t, m)
	appendNumber(m, n, 1000)
	got, _, lost = readNumbers(t, m, at)
	assert.Equal(t, []uint64{n}, got)
	assert.Zero(t, lost)
}

func TestDiskThatIsFullAtTheStart(t *testing.T) {
	dir := smallDisk(t, "4m")
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	require.NoError(t, err)
	require.NoError(t, unix.Fallocate(int(f.Fd()), 0, 0, 3900<<10))
	require.NoError(t, f.Close())

	m := openTest(t, filepath.Join(dir, "journal"), 16<<20)
	require.ErrorIs(t, m.Status().Fault, unix.ENOSPC)
	appendNumber(m, 0, 1000)
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, os.Remove(filler))
	onDisk(t, m)
	appendNumber(m, 1, 1000)
	got, _, lost := readNumbers(t, m, 0)
	assert.Equal(t, []uint64{0, 1}, got)
	assert.Zero(t, lost)
}
