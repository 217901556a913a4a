// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "github.com/!burnt!sushi/toml/@v/v1.0.0.zip"

func open(t *testing.T, dir string) *Cache {
	t.Helper()
	c, err := Open(dir)
	require.NoError(t, err)
	return c
}

// entries are all files below dir, drafts included.
func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	}))
	return names
}

func TestPutAndGet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "cache")
	c := open(t, dir)
	_, err := c.Get(t.Context(), name)
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.False(t, c.Has(name))

	require.NoError(t, c.Put(t.Context(), name, strings.NewReader("content")))
	assert.True(t, c.Has(name))
	assert.Equal(t, []string{name}, entries(t, dir), "the layout is the protocol's")

	r, err := c.Get(t.Context(), name)
	require.NoError(t, err)
	f := r.(*File)
	assert.EqualValues(t, 7, f.Size())
	assert.False(t, f.ModTime().IsZero())
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "content", string(b))
	require.NoError(t, f.Close())

	again, err := c.Open(name)
	require.NoError(t, err)
	assert.Equal(t, f.ETag(), again.ETag())
	assert.Regexp(t, `^"[0-9a-z]+-[0-9a-z]+"$`, f.ETag())
	require.NoError(t, again.Close())
}

func TestAFolderIsNoFile(t *testing.T) {
	c := open(t, t.TempDir())
	require.NoError(t, c.Write(t.Context(), name, []byte("x")))
	_, err := c.Open("github.com")
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.False(t, c.Has("github.com"))
}

func TestWriteKeepsWhatIsTheSame(t *testing.T) {
	c := open(t, t.TempDir())
	etag := func() string {
		f, err := c.Open(name)
		require.NoError(t, err)
		defer f.Close()
		return f.ETag()
	}
	require.NoError(t, c.Write(t.Context(), name, []byte("v1.0.0\n")))
	before := etag()
	require.NoError(t, c.Write(t.Context(), name, []byte("v1.0.0\n")))
	assert.Equal(t, before, etag())
	require.NoError(t, c.Write(t.Context(), name, []byte("v1.0.0\nv1.1.0\n")))
	assert.NotEqual(t, before, etag())
	b, err := c.Read(name)
	require.NoError(t, err)
	assert.Equal(t, "v1.0.0\nv1.1.0\n", string(b))
}

func TestOpenFileOutlivesItsName(t *testing.T) {
	c := open(t, t.TempDir())
	require.NoError(t, c.Write(t.Context(), name, []byte("old")))
	f, err := c.Open(name)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, c.Write(t.Context(), name, []byte("newer")))
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "old", string(b))
}

func TestBrokenPutLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	torn := errors.New("torn")
	require.ErrorIs(t, c.Put(t.Context(), name, &failing{torn}), torn)
	assert.Empty(t, entries(t, dir))

	d, err := c.Create(t.Context(), name)
	require.NoError(t, err)
	_, err = d.Write([]byte("half"))
	require.NoError(t, err)
	assert.False(t, c.Has(name))
	d.Discard()
	d.Discard()
	require.ErrorIs(t, d.Commit(), fs.ErrClosed)
	assert.Empty(t, entries(t, dir))
}

type failing struct{ err error }

func (f *failing) Read(p []byte) (int, error)     { return len(p) / 2, f.err }
func (f *failing) Seek(int64, int) (int64, error) { return 0, f.err }

func TestOpenRemovesLeftovers(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	require.NoError(t, c.Write(t.Context(), name, []byte("whole")))
	d, err := c.Create(t.Context(), "example.com/m/@v/v1.0.0.zip")
	require.NoError(t, err)
	_, err = d.Write([]byte("half"))
	require.NoError(t, err)
	require.NoError(t, d.file.Close()) // As a killed process would.
	assert.Len(t, entries(t, dir), 2)

	open(t, dir)
	assert.Equal(t, []string{name}, entries(t, dir))
}

func TestNamesThatEscapeAreRefused(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	require.NoError(t, os.WriteFile(outside, []byte("mine"), 0o600))
	c := open(t, filepath.Join(dir, "cache"))
	for _, bad := range []string{
		"", ".", "/", "../outside", "a/../../outside", outside, "a//b", "a/", ".drafts/x", "a/.hidden", "a\\..\\b",
		"c:x", "a\x00b",
	} {
		t.Run(fmt.Sprintf("%.20q", bad), func(t *testing.T) {
			_, err := c.Get(t.Context(), bad)
			require.ErrorIs(t, err, fs.ErrInvalid)
			require.ErrorIs(t, c.Put(t.Context(), bad, strings.NewReader("x")), fs.ErrInvalid)
			assert.False(t, c.Has(bad))
		})
	}
	b, err := os.ReadFile(outside)
	require.NoError(t, err)
	assert.Equal(t, "mine", string(b))
}

func TestConcurrentPuts(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			content := strings.Repeat(string(rune('a'+i)), 100_000)
			err := c.Put(t.Context(), name, strings.NewReader(content))
			var b []byte
			if err == nil {
				b, err = c.Read(name)
			}
			if assert.NoError(t, err) {
				assert.Equal(t, strings.Repeat(string(b[0]), 100_000), string(b), "a file is whole")
			}
		})
	}
	wg.Wait()
	assert.Equal(t, []string{name}, entries(t, dir))
}

func TestEmptiedWhileRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, dir)
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, c.Write(t.Context(), name, []byte("x")))
	assert.True(t, c.Has(name))
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(file)
	require.ErrorContains(t, err, "cache directory")
}

func BenchmarkOpen(b *testing.B) {
	c, err := Open(b.TempDir())
	require.NoError(b, err)
	require.NoError(b, c.Write(b.Context(), name, []byte("content")))
	b.ReportAllocs()
	for b.Loop() {
		f, err := c.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		_ = f.ETag()
		_ = f.Close()
	}
}
