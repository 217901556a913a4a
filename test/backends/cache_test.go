// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCacheBuildsOnce(t *testing.T) {
	kept := cache{root: filepath.Join(t.TempDir(), "cache")}
	var builds atomic.Int32
	faults := make([]error, 8)
	var group sync.WaitGroup
	for i := range faults {
		group.Go(func() {
			var dir string
			dir, faults[i] = kept.dir(t.Context(), "server", "1", func(dir string) error {
				builds.Add(1)
				return os.WriteFile(filepath.Join(dir, "binary"), nil, 0o600)
			})
			assert.FileExists(t, filepath.Join(dir, "binary"))
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(faults...))
	assert.EqualValues(t, 1, builds.Load())
	assert.ElementsMatch(t, []string{"server-1", "server.lock"}, names(t, kept.root))
}

func TestCacheKeepsNothingOfABrokenBuild(t *testing.T) {
	kept := cache{root: t.TempDir()}
	broken := errors.New("broken")
	require.NoError(t, os.Mkdir(filepath.Join(kept.root, "server.partial-killed"), 0o755))

	_, err := kept.dir(t.Context(), "server", "1", func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), broken)
	})

	require.ErrorIs(t, err, broken)
	assert.Equal(t, []string{"server.lock"}, names(t, kept.root))
}

func TestCacheLockEndsWithTheContext(t *testing.T) {
	kept := cache{root: t.TempDir()}
	unlock, err := kept.lock(t.Context(), "server")
	require.NoError(t, err)
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err = kept.lock(ctx, "server")

	require.ErrorIs(t, err, context.Canceled)
}

func TestFingerprint(t *testing.T) {
	file := filepath.Join(t.TempDir(), "go.mod")
	require.NoError(t, os.WriteFile(file, []byte("module a"), 0o600))
	first, err := fingerprint([]string{file}, "go1.26")
	require.NoError(t, err)
	otherVersion, err := fingerprint([]string{file}, "go1.27")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte("module b"), 0o600))
	otherContent, err := fingerprint([]string{file}, "go1.26")
	require.NoError(t, err)

	assert.NotEqual(t, first, otherVersion)
	assert.NotEqual(t, first, otherContent)
	_, err = fingerprint([]string{file + ".absent"})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	all := make([]string, len(entries))
	for i, entry := range entries {
		all[i] = entry.Name()
	}
	return all
}
