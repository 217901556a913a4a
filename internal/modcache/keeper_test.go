// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func openBounded(t testing.TB, dir string, maxSize int64) *Cache {
	t.Helper()
	c, err := OpenBounded(dir, maxSize)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.Eventually(t, func() bool { _, known := c.Usage(); return known }, time.Minute, time.Millisecond)
	return c
}

func usage(t *testing.T, c *Cache) Usage {
	t.Helper()
	u, known := c.Usage()
	require.True(t, known)
	return u
}

func file(n int) string { return fmt.Sprintf("example.com/m%d/@v/v1.0.0.zip", n) }

// each is what each of the files of fill takes: a block, and two for its folders.
const each = 3 * blockSize

// base is what they have in common: the folder example.com.
const base = blockSize

// fill writes files of 1000 bytes, used n hours ago, the first one longest.
func fill(t *testing.T, c *Cache, n int) {
	t.Helper()
	for i := range n {
		require.NoError(t, c.Write(t.Context(), file(i), make([]byte, 1000)))
		used(t, c, file(i), time.Duration(n-i)*time.Hour)
	}
}

func used(t *testing.T, c *Cache, name string, ago time.Duration) {
	t.Helper()
	require.NoError(t, os.Chtimes(c.path(name), time.Now().Add(-ago), time.Time{}))
}

func bound(c *Cache, maxSize int64) {
	c.keeper.mu.Lock()
	defer c.keeper.mu.Unlock()
	c.keeper.max = maxSize
	c.keeper.wakeIfOver()
}

func TestLeastRecentlyUsedIsEvicted(t *testing.T) {
	dir := t.TempDir()
	c := openBounded(t, dir, 0)
	fill(t, c, 10)
	f, err := c.Open(file(0)) // used again
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.Equal(t, Usage{Size: base + 10*each, Files: 10}, usage(t, c))
	require.NoError(t, c.Write(t.Context(), "example.com/big/@v/v1.0.0.zip", make([]byte, 5000)))

	const size = base + 5*each + blockSize // the big one has two blocks
	bound(c, size*20/19)
	require.Eventually(t, func() bool { return usage(t, c).Size <= size }, time.Minute, time.Millisecond, "down to 19 of 20 parts of the bound")
	assert.Equal(t, Usage{Size: size, Files: 5, Evictions: 6}, usage(t, c))
	for i := 1; i <= 6; i++ {
		assert.False(t, c.Has(file(i)))
		assert.True(t, c.Evicted(file(i)))
		assert.NoDirExists(t, filepath.Join(dir, fmt.Sprintf("example.com/m%d", i)), "folders don't pile up")
	}
	for _, i := range []int{0, 7, 8, 9} {
		assert.True(t, c.Has(file(i)))
		assert.False(t, c.Evicted(file(i)))
	}

	bound(c, 0)
	require.NoError(t, c.Write(t.Context(), file(1), []byte("again")))
	assert.False(t, c.Evicted(file(1)))
	c.Close()
	c.Close()

	again := openBounded(t, dir, 0)
	assert.Equal(t, Usage{Size: size + each, Files: 6, Evictions: 6}, usage(t, again), "a restart knows it all")
	assert.True(t, again.Evicted(file(2)))
	assert.False(t, again.Evicted(file(0)))
}

func TestLastAccessSurvivesRestarts(t *testing.T) {
	dir := t.TempDir()
	c := openBounded(t, dir, 0)
	fill(t, c, 4)
	f, err := c.Open(file(0))
	require.NoError(t, err)
	etag := f.ETag()
	require.NoError(t, f.Close())
	c.Close()

	c = openBounded(t, dir, base+3*each)
	require.Eventually(t, func() bool { return usage(t, c).Files == 2 }, time.Minute, time.Millisecond)
	assert.True(t, c.Has(file(0)))
	assert.True(t, c.Has(file(3)))
	f, err = c.Open(file(0))
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, etag, f.ETag(), "an access changes nothing that clients see")
}

func TestWhatIsServedStays(t *testing.T) {
	c := openBounded(t, t.TempDir(), 0)
	fill(t, c, 3)
	f, err := c.Open(file(1))
	require.NoError(t, err)
	defer f.Close()
	used(t, c, file(1), 48*time.Hour)
	used(t, c, file(0), 72*time.Hour)
	release := c.Pin(file(0))
	bound(c, 1) // everything has to go
	require.Eventually(t, func() bool { return usage(t, c).Files == 2 }, time.Minute, time.Millisecond)
	assert.FileExists(t, c.path(file(0)), "pinned")
	assert.FileExists(t, c.path(file(1)), "open: the disk would get nothing back")
	require.NoError(t, f.Close())
	require.Error(t, f.Close())
	require.Eventually(t, func() bool { return usage(t, c).Files == 1 }, time.Minute, time.Millisecond)

	release()
	release()
	require.Eventually(t, func() bool { return usage(t, c).Files == 0 }, time.Minute, time.Millisecond)
	assert.Equal(t, Usage{Evictions: 3}, usage(t, c))
	assert.Empty(t, c.keeper.pins.n)
}

// onDisk is what du and find say of a cache's folder, without what is the cache's
// own: its folder, that of drafts and the memory of evictions.
func onDisk(t *testing.T, dir string) (size, files int64) {
	t.Helper()
	for _, own := range []string{dir, filepath.Join(dir, drafts), filepath.Join(dir, stateFile)} {
		if info, err := os.Lstat(own); err == nil {
			size -= allocated(info)
		}
	}
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		size += allocated(info)
		if info.Mode().IsRegular() && d.Name() != stateFile {
			files++
		}
		return nil
	}))
	return size, files
}

func TestUsageIsExactWhileFilesComeAndGo(t *testing.T) {
	dir := t.TempDir()
	const limit = 2_000_000
	c := openBounded(t, dir, limit)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 200 {
				assert.NoError(t, c.Write(t.Context(), file(w*100+i), []byte(strings.Repeat("x", 500+37*w*i))))
			}
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool { return usage(t, c).Size <= limit }, time.Minute, time.Millisecond)
	c.Close()
	got := usage(t, c)
	size, files := onDisk(t, dir)
	assert.Equal(t, [2]int64{size, files}, [2]int64{got.Size, got.Files})
	assert.Positive(t, got.Evictions)
}

func TestConfirmRenewsAFile(t *testing.T) {
	c := openBounded(t, t.TempDir(), 0)
	require.ErrorIs(t, c.Confirm("../x"), os.ErrInvalid)
	require.ErrorIs(t, c.Confirm(name), os.ErrNotExist)
	require.NoError(t, c.Write(t.Context(), name, []byte("x")))
	require.NoError(t, os.Chtimes(c.path(name), time.Time{}, time.Now().Add(-time.Hour)))
	require.NoError(t, c.Confirm(name))
	f, err := c.Open(name)
	require.NoError(t, err)
	defer f.Close()
	assert.WithinDuration(t, time.Now(), f.ModTime(), time.Minute)
}

func TestPlainCacheCountsNothing(t *testing.T) {
	c := open(t, t.TempDir())
	require.NoError(t, c.Write(t.Context(), name, []byte("x")))
	_, known := c.Usage()
	assert.False(t, known)
	assert.False(t, c.Evicted(name))
	c.Pin(name)()
	c.Close()
}

func TestEvictedRemembersTheLatest(t *testing.T) {
	path := filepath.Join(t.TempDir(), stateFile)
	require.NoError(t, os.Mkdir(filepath.Join(filepath.Dir(path), drafts), 0o700))
	var e evicted
	for h := range uint64(maxEvicted + 100) {
		e.add(h)
	}
	e.forget(maxEvicted)
	e.add(maxEvicted) // twice in the ring
	require.NoError(t, e.save(path))
	var again evicted
	require.NoError(t, again.load(path))
	for _, m := range []*evicted{&e, &again, e.clone()} {
		assert.EqualValues(t, maxEvicted+101, m.total)
		assert.False(t, m.has(100), "the oldest are forgotten")
		assert.True(t, m.has(101))
		assert.True(t, m.has(maxEvicted))
		assert.True(t, m.has(maxEvicted+99))
		assert.Len(t, m.oldestFirst(), maxEvicted-1)
	}
	assert.Len(t, e.ring, maxEvicted)

	for name, content := range map[string]string{"torn": "123456789", "empty": "", "too long": strings.Repeat("x", 16+8*maxEvicted)} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			var broken evicted
			require.NoError(t, broken.load(path))
			assert.Zero(t, broken.total)
		})
	}
}

// BenchmarkSurvey is a walk over 50,000 files, as at each opening.
func BenchmarkSurvey(b *testing.B) {
	dir := b.TempDir()
	for m := range 2500 {
		folder := filepath.Join(dir, fmt.Sprintf("example.com/m%d/@v", m))
		require.NoError(b, os.MkdirAll(folder, 0o700))
		for v := range 20 {
			require.NoError(b, os.WriteFile(filepath.Join(folder, fmt.Sprintf("v1.%d.0.zip", v)), []byte("x"), 0o600))
		}
	}
	c := openBounded(b, dir, 0)
	b.ReportAllocs()
	for b.Loop() {
		c.keeper.survey(2500)
	}
	u, _ := c.Usage()
	require.EqualValues(b, 50_000, u.Files)
}
