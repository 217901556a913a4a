// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAFaultyDiskTakesNothingAway lets the folder refuse new files: they are stored
// and read all the same, the newest answer wins, and the folder is used again.
func TestAFaultyDiskTakesNothingAway(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c, err := OpenBounded(t.TempDir(), 0)
	require.NoError(t, err)
	var told []error
	c.OnSpill(func(err error) { told = append(told, err) })
	const list, mod = "example.com/m/@v/list", "example.com/m/@v/v1.0.0.mod"
	require.NoError(t, c.Write(t.Context(), list, []byte("old")))

	require.NoError(t, os.RemoveAll(c.path(drafts)))
	require.NoError(t, os.WriteFile(c.path(drafts), nil, 0o600)) // no file can be begun
	require.NoError(t, c.Write(t.Context(), list, []byte("new")))
	d, err := c.Create(t.Context(), mod)
	require.NoError(t, err)
	_, err = d.Write([]byte("module example.com/m"))
	require.NoError(t, err)
	require.NoError(t, d.Commit())
	d.Discard()
	require.Len(t, told, 1)
	assert.False(t, c.Divert(fmt.Errorf("write: %w", syscall.ENOSPC)), "the temporary directory is full too")
	read := func(name string) string {
		content, err := c.Read(name)
		require.NoError(t, err)
		return string(content)
	}
	assert.Equal(t, "new", read(list))
	assert.Equal(t, "module example.com/m", read(mod))
	assert.True(t, c.Has(mod))
	require.NoError(t, c.Confirm(list))

	require.NoError(t, os.Remove(c.path(drafts)))
	c.spill.until.Store(time.Now().UnixNano())
	require.NoError(t, c.Write(t.Context(), list, []byte("newest")))
	assert.Equal(t, "newest", read(list))
	assert.FileExists(t, c.path(list))
	c.Close()
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "modtap-cache-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestDivertIsForDisksOnly(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c, err := Open(t.TempDir())
	require.NoError(t, err)
	defer c.Close()
	assert.False(t, c.Divert(os.ErrNotExist))
	assert.True(t, c.Divert(&os.PathError{Op: "write", Err: syscall.ENOSPC}))
	assert.NotSame(t, c, c.target())
}
