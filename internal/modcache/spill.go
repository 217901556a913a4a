// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// spillSize bounds what the temporary directory takes, in bytes.
	spillSize = 1 << 30
	// spillFor is how long the cache's own disk isn't tried again after a fault.
	spillFor = 10 * time.Second
)

// spill is where files go while the cache's disk takes none, so that they can be
// served all the same: a cache in the temporary directory.
type spill struct {
	report func(error) // nil: nobody wants to know
	until  atomic.Int64
	cache  atomic.Pointer[Cache]
	mu     sync.Mutex // of the making
}

// OnSpill lets report be told why files aren't stored in the cache's folder, each
// time when they begin to go to the temporary directory instead. It is called
// before the cache is used.
func (c *Cache) OnSpill(report func(error)) { c.spill.report = report }

// Divert lets what is stored within the next 10 s go to the temporary directory if
// err says that the cache's disk is at fault. It reports whether it is worth
// trying again.
func (c *Cache) Divert(err error) bool {
	return ofDevice(err) && c.divert(err) != nil
}

// divert returns where to store instead; nil if that can't be had, or is at fault
// itself.
func (c *Cache) divert(err error) *Cache {
	if c.target() != c {
		return nil
	}
	c.spill.mu.Lock()
	defer c.spill.mu.Unlock()
	s := c.spill.cache.Load()
	if s == nil {
		dir, mkdirErr := os.MkdirTemp("", "modtap-cache-*")
		if mkdirErr != nil {
			return nil
		}
		opened, openErr := OpenBounded(dir, spillSize)
		if openErr != nil {
			_ = os.RemoveAll(dir)
			return nil
		}
		s = opened
		c.spill.cache.Store(s)
	}
	c.spill.until.Store(time.Now().Add(spillFor).UnixNano())
	if c.spill.report != nil {
		c.spill.report(err)
	}
	return s
}

// target returns where to store now.
func (c *Cache) target() *Cache {
	if s := c.spill.cache.Load(); s != nil && time.Now().UnixNano() < c.spill.until.Load() {
		return s
	}
	return c
}

// only removes name where it wasn't stored just now: an older answer mustn't hide
// the newer one.
func (c *Cache) only(in *Cache, name string) {
	s := c.spill.cache.Load()
	switch {
	case s == nil:
	case in == s:
		c.removeKey(keyOf(name))
		c.removeKey(oddKey(name))
	default:
		s.Remove(name)
	}
}

// close removes the temporary directory.
func (s *spill) close() {
	if c := s.cache.Swap(nil); c != nil {
		c.Close()
		_ = os.RemoveAll(c.dir) // nothing more can be done about it
	}
}
