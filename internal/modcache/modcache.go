// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package modcache keeps the files of a module proxy on disk. The folder has the
// layout of the GOPROXY protocol (https://go.dev/ref/mod#goproxy-protocol), so it
// can itself be used as a file:// proxy. A file is there whole or not at all.
package modcache

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/goproxy/goproxy"
)

// drafts holds what is being written. It lies inside the cache because a rename
// is atomic within one file system only, and is one folder so that what a killed
// process left is found without a walk. No name of the protocol begins with a dot.
const drafts = ".drafts"

// Cache is a folder of files, named by their escaped GOPROXY paths, such as
// github.com/!burnt!sushi/toml/@v/v1.0.0.zip. It is safe for concurrent use, by
// one process: Open removes what another is writing.
//
// Names are checked before they become paths. os.Root would do it again for every
// element, at three times the cost of the open that each hit needs.
type Cache struct {
	dir    string
	keeper *keeper // nil: nothing is counted, nothing evicted
	spill  spill
}

var _ goproxy.Cacher = (*Cache)(nil)

// Open makes the folder if need be and removes what a killed process left half
// written.
func Open(dir string) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cache directory: %w", err)
	}
	c := &Cache{dir: dir}
	err := os.RemoveAll(c.path(drafts))
	if err == nil {
		err = os.Mkdir(c.path(drafts), 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("cache directory: %w", err)
	}
	return c, nil
}

// path is where the cache has the key; see keyOf.
func (c *Cache) path(key string) string { return filepath.Join(c.dir, filepath.FromSlash(key)) }

// File is a cached file. Its content never changes: a newer one has the same name
// but is another file.
type File struct {
	*os.File
	info   fs.FileInfo
	keeper *keeper // that keeps it until it is closed; nil: none
	key    string
	once   sync.Once
}

// Close implements [io.Closer].
func (f *File) Close() error {
	err := f.File.Close()
	if f.keeper != nil {
		f.once.Do(func() { f.keeper.unpin(f.key) })
	}
	return err
}

// Size is the size in bytes.
func (f *File) Size() int64 { return f.info.Size() }

// ModTime is when the file was stored.
func (f *File) ModTime() time.Time { return f.info.ModTime() }

// ETag is a strong entity tag, made of time and size: the same as long as the
// file isn't stored anew.
func (f *File) ETag() string {
	b := make([]byte, 0, 40)
	b = append(b, '"')
	b = strconv.AppendInt(b, f.info.ModTime().UnixNano(), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, f.info.Size(), 36)
	return string(append(b, '"'))
}

// Open returns the file name, which the caller closes. The error is
// [fs.ErrNotExist] if it isn't there and [fs.ErrInvalid] if it can't be.
func (c *Cache) Open(name string) (*File, error) {
	if !ValidName(name) {
		return nil, invalid("open", name)
	}
	f, err := c.open(keyOf(name))
	if err != nil && ofName(err) {
		f, err = c.open(oddKey(name))
	}
	if err != nil {
		if s := c.spill.cache.Load(); s != nil {
			return s.Open(name)
		}
	}
	return f, err
}

// open opens what is kept at key. Nothing that is kept is empty: such a file is
// what a crash of the machine left, and is as good as none.
func (c *Cache) open(key string) (*File, error) {
	if c.keeper != nil {
		c.keeper.pins.add(key)
	}
	f, err := os.Open(c.path(key))
	var info fs.FileInfo
	if err == nil {
		info, err = f.Stat()
	}
	switch {
	case err != nil:
	case info.IsDir():
		err = &fs.PathError{Op: "open", Path: key, Err: syscall.EISDIR}
	case !info.Mode().IsRegular() || info.Size() == 0:
		err = &fs.PathError{Op: "open", Path: key, Err: fs.ErrNotExist}
	}
	if err != nil {
		if f != nil {
			_ = f.Close()
		}
		if c.keeper != nil {
			c.keeper.unpin(key)
		}
		return nil, err
	}
	if c.keeper != nil {
		touch(f.Name(), info)
	}
	return &File{File: f, info: info, keeper: c.keeper, key: key}, nil
}

// Has tells whether the file name is there.
func (c *Cache) Has(name string) bool {
	f, err := c.Open(name)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// Get implements [goproxy.Cacher].
func (c *Cache) Get(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := c.Open(name)
	if err != nil {
		return nil, err // Not a nil *File in an interface.
	}
	return f, nil
}

// Read returns the content of the file name, for small ones.
func (c *Cache) Read(name string) ([]byte, error) {
	f, err := c.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Put implements [goproxy.Cacher].
func (c *Cache) Put(ctx context.Context, name string, content io.ReadSeeker) error {
	return c.put(ctx, name, content)
}

func (c *Cache) put(ctx context.Context, name string, content io.Reader) error {
	d, err := c.create(ctx, name)
	if err != nil {
		return err
	}
	defer d.Discard()
	if _, err := io.Copy(d, content); err != nil {
		return err
	}
	return d.Commit()
}

// Write stores content under name. A file that holds just that stays as it is,
// with its ETag. Of no content there is no file: an older one goes.
func (c *Cache) Write(ctx context.Context, name string, content []byte) error {
	if len(content) == 0 {
		c.Remove(name)
		return nil
	}
	f, err := c.Open(name)
	if err == nil {
		same := f.Size() == int64(len(content))
		if same {
			var old []byte
			old, err = io.ReadAll(f)
			same = err == nil && bytes.Equal(old, content)
		}
		_ = f.Close()
		if same {
			return nil
		}
	}
	to := c.target()
	err = to.put(ctx, name, bytes.NewReader(content))
	if err != nil && to == c && ofDevice(err) {
		if s := c.divert(err); s != nil {
			to, err = s, s.put(ctx, name, bytes.NewReader(content))
		}
	}
	if err == nil {
		c.only(to, name)
	}
	return err
}

// Remove removes the file name, if it is there.
func (c *Cache) Remove(name string) {
	if !ValidName(name) {
		return
	}
	for _, key := range []string{keyOf(name), oddKey(name)} {
		c.removeKey(key)
	}
	if s := c.spill.cache.Load(); s != nil {
		s.Remove(name)
	}
}

func (c *Cache) removeKey(key string) {
	path := c.path(key)
	if c.keeper == nil {
		_ = os.Remove(path) // it may not be there
		return
	}
	c.keeper.mu.Lock()
	defer c.keeper.mu.Unlock()
	c.keeper.discard(path)
}

// Confirm notes that the file name is as good as stored now: its ModTime, and so
// its ETag, change.
func (c *Cache) Confirm(name string) error {
	f, err := c.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.Chtimes(f.Name(), time.Time{}, time.Now())
}

// Draft is a file being written. It is no part of the cache before Commit, but of
// its bound.
type Draft struct {
	ctx      context.Context // of those who wait for it
	file     *os.File
	cache    *Cache
	name     string
	size     int64
	reserved int64 // bytes; guarded by the keeper's lock
	done     bool
}

// Create begins to write the file name, in the temporary directory where the
// cache's folder takes no file. The caller commits or discards it. Writes may wait
// for room in the cache, as long as ctx lasts.
func (c *Cache) Create(ctx context.Context, name string) (*Draft, error) {
	to := c.target()
	d, err := to.create(ctx, name)
	if err != nil && to == c && ofDevice(err) {
		if s := c.divert(err); s != nil {
			return s.create(ctx, name)
		}
	}
	return d, err
}

func (c *Cache) create(ctx context.Context, name string) (*Draft, error) {
	if !ValidName(name) {
		return nil, invalid("create", name)
	}
	draft := c.path(drafts + "/" + rand.Text())
	f, err := os.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrNotExist) { // Somebody emptied the cache.
		if err = os.MkdirAll(filepath.Dir(draft), 0o700); err == nil {
			f, err = os.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	if err != nil && ofName(err) {
		err = &folderError{err} // The name is ours.
	}
	if err != nil {
		return nil, err
	}
	d := &Draft{ctx: ctx, file: f, cache: c, name: name}
	if c.keeper != nil {
		c.keeper.begin(d)
	}
	return d, nil
}

// Write implements [io.Writer]. It may wait for room, and fail with a
// [*NoRoomError].
func (d *Draft) Write(p []byte) (int, error) {
	if k := d.cache.keeper; k != nil {
		if n := d.cost(int64(len(p))) - d.reserved; n > 0 {
			if err := k.reserve(d.ctx, d, n); err != nil {
				return 0, err
			}
		}
	}
	n, err := d.file.Write(p)
	d.size += int64(n)
	return n, err
}

// cost is what the draft takes with n bytes more, and the folders that it may need.
func (d *Draft) cost(n int64) int64 {
	return blocks(d.size+n) + int64(strings.Count(keyOf(d.name), "/"))*blockSize
}

// Content reads the draft from its beginning. It is valid until Commit or Discard.
func (d *Draft) Content() *io.SectionReader { return io.NewSectionReader(d.file, 0, d.size) }

// ReadAt implements [io.ReaderAt] for what is written by now. It may be called while
// more is being written.
func (d *Draft) ReadAt(p []byte, off int64) (int, error) { return d.file.ReadAt(p, off) }

// Name is the path under which the draft will be committed.
func (d *Draft) Name() string { return d.name }

// Path is where the draft lies on disk until then.
func (d *Draft) Path() string { return d.file.Name() }

// Commit puts the draft into the cache, in the place of an older file. It is
// written through first: after a power failure a name must not lead to nothing.
func (d *Draft) Commit() error {
	if d.done {
		return fs.ErrClosed
	}
	d.done = true
	err := errors.Join(d.file.Sync(), d.file.Close())
	if err == nil {
		err = d.place(keyOf(d.name))
		if err != nil && ofName(err) { // Something stands in the way.
			err = d.place(oddKey(d.name))
		}
	}
	if err != nil {
		return errors.Join(err, d.remove())
	}
	return nil
}

func (d *Draft) place(key string) error {
	if k := d.cache.keeper; k != nil {
		return k.place(d, key)
	}
	return rename(d.Path(), d.cache.path(key))
}

// rename makes the folder that to lies in if need be.
func rename(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// Discard removes the draft. After Commit or Discard it does nothing.
func (d *Draft) Discard() {
	if d.done {
		return
	}
	d.done = true
	_ = d.file.Close()
	_ = d.remove() // What stays is removed by the next Open.
}

func (d *Draft) remove() error {
	err := os.Remove(d.Path())
	if k := d.cache.keeper; k != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.end(d)
	}
	return err
}
