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

func (c *Cache) path(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

// ValidName tells whether a file can have the name: a relative slash-separated
// path without empty, hidden or overlong elements, and without what means
// something else on another system.
func ValidName(name string) bool {
	if name == "" || !fs.ValidPath(name) || strings.ContainsAny(name, "\\:\x00") {
		return false
	}
	for element := range strings.SplitSeq(name, "/") {
		if element[0] == '.' || len(element) > 255 {
			return false
		}
	}
	return len(name) <= 4000
}

func invalid(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
}

// File is a cached file. Its content never changes: a newer one has the same name
// but is another file.
type File struct {
	*os.File
	info fs.FileInfo
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
	f, err := os.Open(c.path(name))
	if err != nil {
		if s := c.spill.cache.Load(); s != nil {
			return s.Open(name)
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	if c.keeper != nil {
		touch(f.Name(), info)
	}
	return &File{File: f, info: info}, nil
}

// Has tells whether the file name is there.
func (c *Cache) Has(name string) bool {
	if !ValidName(name) {
		return false
	}
	info, err := os.Stat(c.path(name))
	if err == nil && info.Mode().IsRegular() {
		return true
	}
	s := c.spill.cache.Load()
	return s != nil && s.Has(name)
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
func (c *Cache) Put(_ context.Context, name string, content io.ReadSeeker) error {
	return c.put(name, content)
}

func (c *Cache) put(name string, content io.Reader) error {
	d, err := c.create(name)
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
// with its ETag.
func (c *Cache) Write(name string, content []byte) error {
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
	err = to.put(name, bytes.NewReader(content))
	if err != nil && to == c && !errors.Is(err, fs.ErrInvalid) {
		if s := c.divert(err); s != nil {
			to, err = s, s.put(name, bytes.NewReader(content))
		}
	}
	if err == nil {
		c.only(to, name)
	}
	return err
}

// Confirm notes that the file name is as good as stored now: its ModTime, and so
// its ETag, change.
func (c *Cache) Confirm(name string) error {
	if !ValidName(name) {
		return invalid("confirm", name)
	}
	err := os.Chtimes(c.path(name), time.Time{}, time.Now())
	if s := c.spill.cache.Load(); s != nil && errors.Is(err, fs.ErrNotExist) {
		return s.Confirm(name)
	}
	return err
}

// Draft is a file being written. It is no part of the cache before Commit.
type Draft struct {
	*os.File
	cache *Cache
	name  string
	done  bool
}

// Create begins to write the file name, in the temporary directory where the
// cache's folder takes no file. The caller commits or discards it.
func (c *Cache) Create(name string) (*Draft, error) {
	to := c.target()
	d, err := to.create(name)
	if err != nil && to == c && !errors.Is(err, fs.ErrInvalid) {
		if s := c.divert(err); s != nil {
			return s.create(name)
		}
	}
	return d, err
}

func (c *Cache) create(name string) (*Draft, error) {
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
	if err != nil {
		return nil, err
	}
	return &Draft{File: f, cache: c, name: name}, nil
}

// Name is the path under which the draft will be committed.
func (d *Draft) Name() string { return d.name }

// Path is where the draft lies on disk until then.
func (d *Draft) Path() string { return d.File.Name() }

// Commit puts the draft into the cache, in the place of an older file. It is
// written through first: after a power failure a name must not lead to nothing.
func (d *Draft) Commit() error {
	if d.done {
		return fs.ErrClosed
	}
	err := d.Sync()
	info, statErr := d.Stat()
	if err = errors.Join(err, statErr, d.close()); err == nil {
		err = d.cache.place(d.Path(), d.name, info)
	}
	if err != nil {
		return errors.Join(err, os.Remove(d.Path()))
	}
	return nil
}

func (c *Cache) place(draft, name string, info fs.FileInfo) error {
	if c.keeper != nil {
		return c.keeper.place(draft, name, info.Size())
	}
	return rename(draft, c.path(name))
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
	_ = d.close()
	_ = os.Remove(d.Path()) // What stays is removed by the next Open.
}

func (d *Draft) close() error {
	d.done = true
	return d.Close()
}
