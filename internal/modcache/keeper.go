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
	"sync/atomic"
	"time"
)

// touchEvery is the time that a file's last access is exact to: it is written at
// most that often, so that a hit costs no write.
const touchEvery = time.Minute

// retryEvery is the time until files that could not be removed are tried again.
const retryEvery = time.Minute

// Usage is what a cache holds.
type Usage struct {
	// Size is what the cache takes of the disk, in bytes: the blocks of its files,
	// of their directories and of what is being written, at least 4 KiB for each.
	Size int64
	// Files is how many files are stored.
	Files int64
	// Evictions counts the files that were ever removed to keep the bound, also by
	// earlier processes. After a kill it may be too high, never too low.
	Evictions int64
}

// keeper counts what a cache takes of its disk and keeps that below a bound.
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
	pins    pins
	pressed atomic.Bool // a file that is unpinned is waited for

	mu        sync.Mutex
	stored    int64 // bytes of files and directories
	files     int64
	evictions int64
	known     bool               // stored and files hold: the first walk is over
	counted   map[uint64]counted // while a walk runs: by hash of the path
	evicted   evicted

	writing []*Draft // oldest first
	drafts  int64    // bytes that they reserved
	wanted  int64    // bytes for which drafts wait
	stuck   bool     // the last walk found nothing more to remove
	changed chan struct{}
}

// counted is a file or a directory that a walk has seen.
type counted struct {
	cost int64
	file bool
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
		wake: make(chan struct{}, 1), stop: make(chan struct{}), changed: make(chan struct{}),
		pins: pins{n: make(map[string]int)},
	}
	if err := k.evicted.load(filepath.Join(dir, stateFile)); err != nil {
		return nil, fmt.Errorf("cache directory: %w", err)
	}
	k.evictions = k.evicted.total
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
	k := c.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	return Usage{Size: k.stored + k.drafts, Files: k.files, Evictions: k.evictions}, k.known
}

// Evicted tells whether the file name was evicted and not stored since, as far as
// is remembered: the last 16384 evictions are, over restarts too.
func (c *Cache) Evicted(name string) bool {
	if c.keeper == nil {
		return false
	}
	c.keeper.mu.Lock()
	defer c.keeper.mu.Unlock()
	return c.keeper.evicted.has(hash(keyOf(name))) || c.keeper.evicted.has(hash(oddKey(name)))
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

// place renames a draft to its key, in the place of an older file.
func (k *keeper) place(d *Draft, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	to := filepath.Join(k.dir, filepath.FromSlash(key))
	_, err := os.Lstat(to)
	isNew := err != nil
	paths := append([]string{to}, folders(k.dir, to)...)
	before := k.costOf(paths)
	if err = rename(d.Path(), to); err != nil {
		prune(paths[1:])
	}
	k.stored += k.costOf(paths) - before
	if err != nil {
		return err
	}
	if isNew {
		k.files++
	}
	k.evicted.forget(hash(key))
	k.end(d)
	return nil
}

// wakeIfOver has the least recently used files evicted if too much is used; k.mu
// is held.
func (k *keeper) wakeIfOver() {
	if k.known && k.excess() > 0 {
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

// excess is how many bytes of files have to go: none below the bound, above it so
// many that a walk isn't needed again at once; k.mu is held.
func (k *keeper) excess() int64 {
	used := k.stored + k.drafts + k.wanted
	if k.max <= 0 || used <= k.max {
		return 0
	}
	return min(used-(k.max-k.max/20), k.stored)
}

// run counts what is there and then makes room whenever there is need.
func (k *keeper) run() {
	k.survey(0)
	for {
		removed, need := -1, k.need()
		for need > 0 && removed != 0 && !k.stopped() {
			k.pressed.Store(true) // before the look: what is unpinned during the walk counts
			removed = k.evict(k.survey(need))
			need = k.need()
		}
		var again <-chan time.Time
		if need > 0 { // pinned, in use, or not removable
			again = time.After(retryEvery)
		}
		k.settled(need > 0)
		select {
		case <-k.stop:
			return
		case <-k.wake:
		case <-again:
		}
	}
}

// settled says that all is removed that can be, and whether that isn't enough.
func (k *keeper) settled(stuck bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stuck = stuck
	k.pressed.Store(stuck)
	k.tell()
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
