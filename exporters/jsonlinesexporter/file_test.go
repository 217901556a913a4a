// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func opened(t *testing.T, path string, rotation RotationConfig) *file {
	t.Helper()
	f, err := openFile(path, fileMode, rotation, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

func write(t *testing.T, f *file, batch string) {
	t.Helper()
	n, err := f.Write([]byte(batch))
	require.NoError(t, err)
	require.Len(t, batch, n)
}

func backups(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(strings.TrimSuffix(path, ".jsonl") + "-*.jsonl")
	require.NoError(t, err)
	return names
}

// line is a document line of n bytes.
func line(id, n int) string {
	s := fmt.Sprintf(`{"id":%d}`, id)
	return s + strings.Repeat(" ", n-len(s)-1) + "\n"
}

func TestRotationKeepsBatchesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	f := opened(t, path, RotationConfig{MaxMegabytes: 1})
	first := line(1, megabyte/2) + line(2, megabyte/2-10)
	second := line(3, 15) + line(4, 20)
	third := line(5, 2*megabyte)
	for _, batch := range []string{first, second, third} {
		write(t, f, batch)
	}
	full := backups(t, path)
	require.Len(t, full, 2)
	assert.Equal(t, first, read(t, full[0]), "the first batch fills the first file")
	assert.Equal(t, second, read(t, full[1]), "the second batch isn't split")
	assert.Equal(t, third, read(t, path), "a batch larger than a file has one for itself")
}

func TestRotationContinuesAnOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(line(1, megabyte-10)), 0o600))
	f := opened(t, path, RotationConfig{MaxMegabytes: 1})
	write(t, f, line(2, 10))
	assert.Empty(t, backups(t, path), "there was just room enough")
	write(t, f, line(3, 10))
	assert.Len(t, backups(t, path), 1)
}

func TestNoRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	f := opened(t, path, RotationConfig{})
	for i := range 3 {
		write(t, f, line(i, megabyte))
	}
	assert.Empty(t, backups(t, path))
	assert.Len(t, read(t, path), 3*megabyte)
}

func TestOldBackupsAreRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	foreign := filepath.Join(filepath.Dir(path), "requests-of-mine.jsonl")
	require.NoError(t, os.WriteFile(foreign, nil, 0o600))
	f := opened(t, path, RotationConfig{MaxMegabytes: 1, MaxBackups: 2})
	for i := range 5 {
		write(t, f, line(i, megabyte))
	}
	var kept []string
	for _, name := range append(backups(t, path), path) {
		if name != foreign {
			kept = append(kept, read(t, name)[:8])
		}
	}
	assert.Equal(t, []string{`{"id":2}`, `{"id":3}`, `{"id":4}`}, kept)
	assert.FileExists(t, foreign)
}

func TestAgedBackupsAreRemovedAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	f := &file{path: path, target: path}
	aged, young := f.backupName(time.Now().Add(-49*time.Hour)), f.backupName(time.Now().Add(-47*time.Hour))
	for _, name := range []string{aged, young} {
		require.NoError(t, os.WriteFile(name, nil, 0o600))
	}
	opened(t, path, RotationConfig{MaxDays: 2})
	assert.NoFileExists(t, aged)
	assert.FileExists(t, young)
}

func TestBackupNamesDoNotClash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	f := &file{path: path, target: path}
	at := time.Date(2026, time.November, 22, 10, 11, 12, 999_999_999, time.UTC)
	require.NoError(t, os.WriteFile(f.backupName(at), nil, 0o600))
	assert.Equal(t, "requests-20261122T101113.000000000Z.jsonl", filepath.Base(f.backupName(at)))
}

func TestTheFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log", "requests.jsonl")
	f := opened(t, path, RotationConfig{MaxMegabytes: 1})
	write(t, f, "{}\n")

	require.NoError(t, os.Rename(path, path+".1"))
	write(t, f, "{\"moved\":true}\n")
	assert.Equal(t, "{\"moved\":true}\n", read(t, path))
	assert.Equal(t, "{}\n", read(t, path+".1"))

	require.NoError(t, os.RemoveAll(filepath.Dir(path)))
	write(t, f, "{\"removed\":true}\n")
	assert.Equal(t, "{\"removed\":true}\n", read(t, path))

	write(t, f, line(1, megabyte-20))
	require.NoError(t, os.Truncate(path, 0))
	write(t, f, "{\"truncated\":true}\n")
	assert.Equal(t, "{\"truncated\":true}\n", read(t, path))
	assert.Empty(t, backups(t, path), "a file that was emptied has room again")
}

func TestHalfALineIsRepaired(t *testing.T) {
	long := line(1, 200<<10)
	for name, tt := range map[string]struct{ before, after string }{
		"empty":                     {"", ""},
		"whole":                     {"{}\n{}\n", "{}\n{}\n"},
		"half a document":           {"{}\n{\"a", "{}\n"},
		"half a document, alone":    {"{\"a", ""},
		"half a long document":      {long + long[:150<<10], long},
		"a foreign line":            {"{}\nhello", "{}\nhello\n"},
		"a foreign line that opens": {"hello {", "hello {\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "requests.jsonl")
			require.NoError(t, os.WriteFile(path, []byte(tt.before), 0o600))
			f := opened(t, path, RotationConfig{MaxMegabytes: 1})
			write(t, f, "{\"new\":1}\n")
			assert.Equal(t, tt.after+"{\"new\":1}\n", read(t, path))
			assert.Equal(t, int64(len(tt.after)+10), f.size)
		})
	}
}
