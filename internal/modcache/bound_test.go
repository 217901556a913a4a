// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheBoundIsOnTheDisk writes what is generated, small and large, shallow and
// deep, at once, and compares what is told with what the disk says.
func TestTheBoundIsOnTheDisk(t *testing.T) {
	const limit = 1 << 20
	names := map[string]func(r *rand.Rand, i int) (string, int){
		"case 18: 3,020 tiny lists": func(_ *rand.Rand, i int) (string, int) {
			return fmt.Sprintf("example.com/m%d/@v/list", i), 1
		},
		"case 18: paths of 1,900 elements": func(_ *rand.Rand, i int) (string, int) {
			return "example.com" + strings.Repeat("/a", 1900) + fmt.Sprintf("/m%d/@v/list", i), 7
		},
		"long elements": func(_ *rand.Rand, i int) (string, int) {
			return fmt.Sprintf("example.com/%s%d/@v/v1.0.0.mod", strings.Repeat("x", 100+i), i), 20
		},
		"deep": func(r *rand.Rand, i int) (string, int) {
			return fmt.Sprintf("h%d.example", i) + strings.Repeat(fmt.Sprintf("/d%d", i), r.IntN(40)) + "/@v/v1.0.0.zip", r.IntN(40_000)
		},
		"all sizes": func(r *rand.Rand, i int) (string, int) {
			return fmt.Sprintf("example.com/m%d/@v/v1.%d.0.zip", i%50, i), r.IntN(1 << r.IntN(17))
		},
	}
	for what, next := range names {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			c := openBounded(t, dir, limit)
			stop, worst := watch(dir)
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(w), 1))
					for i := w; i < 400; i += 4 {
						name, size := next(r, i)
						assert.NoError(t, c.Write(t.Context(), name, bytes.Repeat([]byte("x"), size)))
					}
				})
			}
			wg.Wait()
			close(stop)
			require.Eventually(t, func() bool { return usage(t, c).Size <= limit }, time.Minute, time.Millisecond)
			c.Close()
			got := usage(t, c)
			size, files := onDisk(t, dir)
			assert.Equal(t, size, got.Size, "du")
			assert.Equal(t, files, got.Files, "find -type f")
			assert.LessOrEqual(t, <-worst, int64(limit+limit/4), "at no time more than the bound, the evicted names and the folders")
			t.Logf("%d bytes, %d files on disk; evicted %d", size, files, got.Evictions)
		})
	}
}

// watch looks how much of the disk dir takes at most, until stop is closed.
func watch(dir string) (stop chan struct{}, worst <-chan int64) {
	stop, result := make(chan struct{}), make(chan int64, 1)
	go func() {
		most := int64(0)
		for {
			select {
			case <-stop:
				result <- most
				return
			case <-time.After(5 * time.Millisecond):
				most = max(most, du(dir))
			}
		}
	}()
	return stop, result
}

func du(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil {
			if info, err := d.Info(); err == nil {
				size += allocated(info)
			}
		}
		return nil
	})
	return size
}

// TestDraftsShareTheBound lets 20 large files come at once, each larger than the
// bound: all come to their end, one by one.
func TestDraftsShareTheBound(t *testing.T) {
	const limit, size = 1 << 20, 4 << 20
	dir := t.TempDir()
	c := openBounded(t, dir, limit)
	stop, worst := watch(dir)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			defer c.Pin(file(i))()
			d, err := c.Create(t.Context(), file(i))
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Discard()
			for range size >> 15 {
				if _, err := d.Write(make([]byte, 32<<10)); err != nil {
					t.Error(err)
				}
			}
			if err := d.Commit(); err != nil {
				t.Error(err)
			}
			f, err := c.Open(file(i))
			if assert.NoError(t, err, "it is served before it goes") {
				n, err := io.Copy(io.Discard, f)
				assert.NoError(t, err)
				assert.EqualValues(t, size, n)
				assert.NoError(t, f.Close())
			}
		})
	}
	wg.Wait()
	close(stop)
	// A walk may see a file twice that is renamed meanwhile.
	assert.LessOrEqual(t, <-worst, int64(limit+2*size+limit/2), "case 18: 20 zips at once")
	require.Eventually(t, func() bool { return usage(t, c).Size == 0 }, time.Minute, time.Millisecond)
	assert.Empty(t, c.keeper.writing)
	assert.Zero(t, c.keeper.wanted)
}

// TestADraftGivesUp is for room that is never there, and for who left.
func TestADraftGivesUp(t *testing.T) {
	c := openBounded(t, t.TempDir(), 1<<20)
	require.NoError(t, c.Write(t.Context(), name, make([]byte, 900_000)))
	f, err := c.Open(name)
	require.NoError(t, err)
	first, err := c.Create(t.Context(), file(0))
	require.NoError(t, err)
	_, err = first.Write(make([]byte, 100_000))
	require.NoError(t, err, "the oldest one may pass the bound")
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer leave()
	d, err := c.Create(ctx, file(1))
	require.NoError(t, err)
	_, err = d.Write(make([]byte, 100_000))
	require.ErrorIs(t, err, context.DeadlineExceeded, "the only file is being served")
	d.Discard()
	require.NoError(t, f.Close())
	first.Discard()
	require.NoError(t, c.Write(t.Context(), file(2), make([]byte, 100_000)), "room again")

	full := &NoRoomError{MaxSize: 7}
	assert.Equal(t, "no room in the cache: files that are being fetched and served take its 7 bytes; try again, or raise cache::max_size", full.Error())
	assert.Equal(t, 503, full.Status())
}

// TestFaultOf goes over all error numbers: what is not known to be the device's
// diverts nothing.
func TestFaultOf(t *testing.T) {
	device := map[syscall.Errno]bool{
		syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EIO: true, syscall.EROFS: true,
		syscall.ENODEV: true, syscall.ENXIO: true, syscall.ESTALE: true, syscall.ENOTCONN: true,
	}
	for _, number := range moreDeviceFaults {
		device[number] = true
	}
	for number := range syscall.Errno(256) {
		err := fmt.Errorf("commit: %w", errors.Join(&os.PathError{Op: "rename", Err: number}, errors.New("beside it")))
		assert.Equal(t, device[number], ofDevice(err), "%d %v", number, number)
		assert.False(t, ofDevice(err) && ofName(err), "%d %v", number, number)
	}
	for _, err := range []error{nil, os.ErrNotExist, context.Canceled, io.ErrUnexpectedEOF, &NoRoomError{}} {
		assert.False(t, ofDevice(err) || ofName(err), "%v", err)
	}
}

// TestAFaultOfOneName puts something into the way of one file: that file is stored
// and served all the same, and the others where they belong.
func TestAFaultOfOneName(t *testing.T) {
	long := func(n int) string { return "example.com/" + strings.Repeat("x", n) + "/@v/v1.0.0.mod" }
	plant := map[string]struct {
		name     string
		obstacle func(t *testing.T, path string)
	}{
		"case 26: meets a directory": {name, func(t *testing.T, path string) { require.NoError(t, os.MkdirAll(path, 0o700)) }},
		"case 26: meets a directory that isn't empty": {name, func(t *testing.T, path string) {
			require.NoError(t, os.MkdirAll(path+"/x", 0o700))
		}},
		"a file where a folder belongs": {name, func(t *testing.T, path string) {
			at := filepath.Dir(filepath.Dir(path))
			require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o700))
			require.NoError(t, os.WriteFile(at, []byte("x"), 0o600))
		}},
		"a link that leads to itself": {name, func(t *testing.T, path string) {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Dir(path)), 0o700))
			require.NoError(t, os.Symlink(filepath.Dir(path), filepath.Dir(path)))
		}},
		"case 26: an element of 256 bytes": {long(256), nil},
		"case 26: a path of 5,000 bytes":   {long(200) + strings.Repeat("/y", 2400), nil},
		"case 26: 60,000 bytes":            {long(60_000), nil},
		"2,000 elements":                   {strings.Repeat("a/", 2000) + "a", nil},
	}
	for what, tt := range plant {
		t.Run(what, func(t *testing.T) {
			if runtime.GOOS == "windows" && tt.obstacle != nil {
				return // other error numbers
			}
			t.Setenv("TMPDIR", t.TempDir())
			dir := t.TempDir()
			c := openBounded(t, dir, 0)
			var told atomic.Int32
			c.OnSpill(func(error) { told.Add(1) })
			if tt.obstacle != nil {
				tt.obstacle(t, c.path(tt.name))
			}
			_, err := c.Open(tt.name)
			require.ErrorIs(t, err, os.ErrNotExist)
			for _, content := range []string{"one", "another"} {
				require.NoError(t, c.Write(t.Context(), tt.name, []byte(content)))
				got, err := c.Read(tt.name)
				require.NoError(t, err)
				assert.Equal(t, content, string(got))
				assert.True(t, c.Has(tt.name))
				require.NoError(t, c.Confirm(tt.name))
			}
			require.NoError(t, c.Write(t.Context(), file(1), []byte("x")))
			assert.FileExists(t, c.path(file(1)), "for everybody else nothing has changed")
			assert.Zero(t, told.Load())
			assert.EqualValues(t, 2, usage(t, c).Files)
			bound(c, 1)
			require.Eventually(t, func() bool { return !c.Has(tt.name) }, time.Minute, time.Millisecond, "it is evicted as any other")
			assert.True(t, c.Evicted(tt.name))
			c.Remove(tt.name)
		})
	}
}

func TestNothingEmptyIsKept(t *testing.T) {
	dir := t.TempDir()
	c := openBounded(t, dir, 0)
	require.NoError(t, c.Write(t.Context(), name, []byte("v1.0.0\n")))
	require.NoError(t, c.Write(t.Context(), name, nil))
	assert.False(t, c.Has(name))
	assert.Empty(t, entries(t, dir))
	assert.Equal(t, Usage{}, usage(t, c), "its folders are gone too")

	require.NoError(t, c.Write(t.Context(), name, []byte("x")))
	require.NoError(t, os.Truncate(c.path(name), 0)) // as a crash of the machine may
	_, err := c.Open(name)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, c.Write(t.Context(), name, []byte("healed")))
	assert.True(t, c.Has(name))
}
