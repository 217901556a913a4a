// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"cmp"
	"container/heap"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// survey walks over all files, counts them anew, and returns the least recently
// used ones that together hold need bytes, the oldest first.
func (k *keeper) survey(need int64) []victim {
	k.mu.Lock()
	k.counted = make(map[uint64]int64)
	k.mu.Unlock()

	old := candidates{need: need}
	_ = filepath.WalkDir(k.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case k.stopped():
			return fs.SkipAll
		case err != nil: // it vanished, or can't be read: it can't be served either
			return nil
		case d.IsDir() && path != k.dir && d.Name()[0] == '.':
			return fs.SkipDir
		}
		if rel, err := filepath.Rel(k.dir, path); err == nil && d.Type().IsRegular() {
			name := filepath.ToSlash(rel)
			if info := k.count(path, name); info != nil {
				old.add(victim{name: name, size: info.Size(), accessed: accessed(info)})
			}
		}
		return nil
	})

	k.mu.Lock()
	defer k.mu.Unlock()
	counted := k.counted
	k.counted = nil
	if k.stopped() {
		return nil
	}
	k.usage.Size, k.usage.Files, k.known = 0, int64(len(counted)), true
	for _, size := range counted {
		k.usage.Size += size
	}
	slices.SortFunc(old.files, func(a, b victim) int {
		return cmp.Or(a.accessed.Compare(b.accessed), cmp.Compare(a.name, b.name))
	})
	return old.files
}

// count counts one file, unless it has been stored since the walk began: then it
// is counted already, and no candidate. It holds the lock over both looks, so
// that each file is counted once, as it is.
func (k *keeper) count(path, name string) fs.FileInfo {
	if !ValidName(name) {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	h := hash(name)
	if _, done := k.counted[h]; done {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	k.counted[h] = info.Size()
	return info
}

// evict removes files, in their order, until there is room, and returns how many.
// What is going to happen is written down before: counts never go back.
func (k *keeper) evict(old []victim) (removed int) {
	if len(old) == 0 {
		return 0
	}
	k.mu.Lock()
	target := k.usage.Size - k.excess()
	planned := k.evicted.clone()
	k.mu.Unlock()
	for _, v := range old {
		planned.add(hash(v.name))
	}
	path := filepath.Join(k.dir, stateFile)
	_ = planned.save(path) // on a disk that can't be written the reason becomes cold after a restart
	for _, v := range old {
		if k.stopped() {
			break
		}
		if done, enough := k.remove(v, target); enough {
			break
		} else if done {
			removed++
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if removed < len(old) {
		_ = k.evicted.save(path)
	}
	return removed
}

// remove removes a file and the folders that it leaves empty, unless it is pinned
// or was used meanwhile.
func (k *keeper) remove(v victim, target int64) (done, enough bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.usage.Size <= target {
		return false, true
	}
	path := filepath.Join(k.dir, filepath.FromSlash(v.name))
	info, err := os.Lstat(path)
	if err != nil || k.pins[v.name] > 0 || accessed(info).After(v.accessed) || os.Remove(path) != nil {
		return false, false
	}
	k.usage.Size -= info.Size()
	k.usage.Files--
	k.evicted.add(hash(v.name))
	k.usage.Evictions = k.evicted.total
	for dir := filepath.Dir(path); dir != filepath.Clean(k.dir); dir = filepath.Dir(dir) {
		if os.Remove(dir) != nil { // not empty
			break
		}
	}
	return true, false
}

// victim is a file that may have to go.
type victim struct {
	name     string
	size     int64
	accessed time.Time
}

// candidates are the least recently used files that together hold need bytes: a
// heap with the latest used one on top, so that its memory is bounded by what has
// to go and not by what there is.
type candidates struct {
	need, size int64
	files      []victim
}

var _ heap.Interface = (*candidates)(nil)

func (c *candidates) add(v victim) {
	if c.need <= 0 || c.size >= c.need && !v.accessed.Before(c.files[0].accessed) {
		return
	}
	heap.Push(c, v)
	for c.size-c.files[0].size >= c.need {
		heap.Pop(c)
	}
}

// Len implements [heap.Interface].
func (c *candidates) Len() int { return len(c.files) }

// Less implements [heap.Interface].
func (c *candidates) Less(i, j int) bool { return c.files[i].accessed.After(c.files[j].accessed) }

// Swap implements [heap.Interface].
func (c *candidates) Swap(i, j int) { c.files[i], c.files[j] = c.files[j], c.files[i] }

// Push implements [heap.Interface].
func (c *candidates) Push(x any) {
	v := x.(victim)
	c.size += v.size
	c.files = append(c.files, v)
}

// Pop implements [heap.Interface].
func (c *candidates) Pop() any {
	last := len(c.files) - 1
	v := c.files[last]
	c.size -= v.size
	c.files = c.files[:last]
	return v
}
