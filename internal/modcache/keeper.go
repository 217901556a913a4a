// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// touchEvery is the time that a file's last access is exact to: it is written at
// most that often, so that a hit costs no write.
const touchEvery = time.Minute

// retryEvery is the time until files that could not be removed are tried again.
const retryEvery = time.Minute

// Usage is what a cache holds.
type Usage struct {
	Size  int64 // bytes
	Files int64
	// Evictions counts the files that were ever removed to keep the bound, also by
	// earlier processes. After a kill it may be too high, never too low.
	Evictions int64
}

// keeper counts a cache's files and keeps their size below a bound.
//
// A file's last access is its own access time, set explicitly, for mounts with
// noatime: nothing has to be written at a stop, nothing is lost at a kill, and no
// memory is used for files that nobody asks for. What is least recently used is
// found by a walk when the bound is passed, at a twentieth of the bound per walk.
type keeper struct {
	dir     string
	max     int64 // bytes; 0: no bound
	wake    chan struct{}
	stop    chan struct{}
	closing sync.Once
	running sync.WaitGroup

	mu      sync.Mutex
	usage   Usage
	known   bool             // usage holds: the first walk is over
	counted map[uint64]int64 // while a walk runs: size by hash of the name
	pins    map[string]int
	evicted evicted
}

// OpenBounded is [Open] for a cache that tells its [Usage] and, if maxSize isn't
// zero, evicts the least recently used files when they hold more bytes. The
// caller closes it.
func OpenBounded(dir string, maxSize int64) (*Cache, error) {
	c, err := Open(dir)
	if err != nil {
		return nil, err
	}
	k := &keeper{
		dir: dir, max: maxSize,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), pins: make(map[string]int),
	}
	if err := k.evicted.load(filepath.Join(dir, stateFile)); err != nil {
		return nil, fmt.Errorf("cache directory: %w", err)
	}
	k.usage.Evictions = k.evicted.total
	c.keeper = k
	k.running.Go(k.run)
	return c, nil
}

// Close ends what [OpenBounded] began, and removes what the temporary directory
// holds. Files can still be read and written.
func (c *Cache) Close() {
	c.spill.close()
	if c.keeper != nil {
		c.keeper.closing.Do(func() { close(c.keeper.stop) })
		c.keeper.running.Wait()
	}
}

// Usage returns what the cache holds; false as long as what was there at its
// opening isn't counted yet, and for a cache that wasn't opened by [OpenBounded].
func (c *Cache) Usage() (Usage, bool) {
	if c.keeper == nil {
		return Usage{}, false
	}
	c.keeper.mu.Lock()
	defer c.keeper.mu.Unlock()
	return c.keeper.usage, c.keeper.known
}

// Evicted tells whether the file name was evicted and not stored since, as far as
// is remembered: the last 16384 evictions are, over restarts too.
func (c *Cache) Evicted(name string) bool {
	if c.keeper == nil {
		return false
	}
	c.keeper.mu.Lock()
	defer c.keeper.mu.Unlock()
	return c.keeper.evicted.has(hash(name))
}

// Pin keeps the file name, be it there or not yet, from being evicted until
// release is called. An open [File] needs none where, as on Unix, it outlives its
// name.
func (c *Cache) Pin(name string) (release func()) {
	k := c.keeper
	if k == nil {
		return func() {}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pins[name]++
	return sync.OnceFunc(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.pins[name]--; k.pins[name] == 0 {
			delete(k.pins, name)
			k.wakeIfOver()
		}
	})
}

// touch notes that the file is used.
func touch(path string, info fs.FileInfo) {
	if now := time.Now(); now.Sub(accessed(info)) > touchEvery {
		_ = os.Chtimes(path, now, time.Time{}) // on a read-only disk nothing is evicted either
	}
}

func hash(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}

// place renames a draft to its name, in the place of an older file.
func (k *keeper) place(draft, name string, size int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	to := filepath.Join(k.dir, filepath.FromSlash(name))
	old, err := os.Lstat(to)
	isNew := err != nil
	if err := rename(draft, to); err != nil {
		return err
	}
	h := hash(name)
	k.evicted.forget(h)
	if k.counted != nil {
		k.counted[h] = size
	}
	k.usage.Size += size
	if isNew {
		k.usage.Files++
	} else {
		k.usage.Size -= old.Size()
	}
	k.wakeIfOver()
	return nil
}

// wakeIfOver has the least recently used files evicted if there are too many
// bytes; k.mu is held.
func (k *keeper) wakeIfOver() {
	if k.known && k.excess() > 0 {
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

// excess is how many bytes have to go: none below the bound, above it so many
// that a walk isn't needed again at once; k.mu is held.
func (k *keeper) excess() int64 {
	if k.max <= 0 || k.usage.Size <= k.max {
		return 0
	}
	return k.usage.Size - (k.max - k.max/20)
}

// run counts what is there and then makes room whenever there is need.
func (k *keeper) run() {
	k.survey(0)
	for {
		removed, need := -1, k.need()
		for need > 0 && removed != 0 && !k.stopped() {
			removed = k.evict(k.survey(need))
			need = k.need()
		}
		var again <-chan time.Time
		if need > 0 { // pinned, in use, or not removable
			again = time.After(retryEvery)
		}
		select {
		case <-k.stop:
			return
		case <-k.wake:
		case <-again:
		}
	}
}

func (k *keeper) need() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.excess()
}

func (k *keeper) stopped() bool {
	select {
	case <-k.stop:
		return true
	default:
		return false
	}
}
