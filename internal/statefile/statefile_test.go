// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package statefile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

// TestOpen (case 15) tries every mode that a file can have, and links.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for perm := os.FileMode(0o600); perm <= 0o777; perm++ {
		path := filepath.Join(dir, perm.String())
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		require.NoError(t, os.Chmod(path, perm))
		f, err := Open(path, os.O_RDWR|os.O_CREATE)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Zero(t, mode(t, path)&0o177, "case 15: %v", perm)
	}
	victim := filepath.Join(dir, "victim")
	for name, to := range map[string]string{"link": victim, "dangling": filepath.Join(dir, "nothing"), "to itself": filepath.Join(dir, "to itself"), "directory": dir} {
		require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o644))
		path := filepath.Join(dir, name)
		require.NoError(t, os.Symlink(to, path))
		_, err := Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		require.ErrorIs(t, err, errLink, "case 15: %s", name)
		text, err := os.ReadFile(victim)
		require.NoError(t, err)
		assert.Equal(t, "precious", string(text))
		assert.NoFileExists(t, filepath.Join(dir, "nothing"))
	}
}

func TestPrivate(t *testing.T) {
	for perm := os.FileMode(0o700); perm <= 0o777; perm++ {
		dir := filepath.Join(t.TempDir(), "data")
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.Chmod(dir, perm))
		tightened, err := Private(dir)
		require.NoError(t, err)
		assert.Equal(t, perm&0o077 != 0, tightened)
		require.Equal(t, DirMode, mode(t, dir), "case 15: %v", perm)
	}
	fresh := filepath.Join(t.TempDir(), "a", "b")
	tightened, err := Private(fresh)
	require.NoError(t, err)
	assert.False(t, tightened)
	assert.Equal(t, DirMode, mode(t, fresh))
}

// TestPrivateLeavesWhatIsEverybodys: to make /tmp private, or /, would break the machine.
func TestPrivateLeavesWhatIsEverybodys(t *testing.T) {
	for _, perm := range []os.FileMode{0o701, 0o710, 0o755, 0o775, 0o777} {
		for _, sticky := range []os.FileMode{0, os.ModeSticky} {
			for _, holds := range []string{"", "lost+found", "lock", "theirs"} {
				dir := filepath.Join(t.TempDir(), "data")
				require.NoError(t, os.Mkdir(dir, 0o700))
				if holds != "" {
					require.NoError(t, os.WriteFile(filepath.Join(dir, holds), nil, 0o600))
				}
				require.NoError(t, os.Chmod(dir, perm|sticky))
				could := CanPrivate(dir)
				_, err := Private(dir)
				assert.Equal(t, could, err)
				if sticky != 0 && holds == "theirs" {
					require.ErrorContains(t, err, filepath.Join(dir, "modtap"), "%v", perm)
					assert.Equal(t, perm, mode(t, dir))
					continue
				}
				require.NoError(t, err, "%v %v %s", perm, sticky, holds)
				assert.Equal(t, DirMode, mode(t, dir))
			}
		}
	}
	for _, dir := range []string{"/", "/..", "/tmp", "/tmp/../etc", "/usr", "/etc/."} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		if owned(info) && info.Mode().Perm()&0o077 != 0 { // Not for a user who isn't root.
			require.ErrorContains(t, CanPrivate(dir), "for everybody", dir)
		}
	}
}
