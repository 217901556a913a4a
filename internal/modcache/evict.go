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

// survey walks over all files and directories, counts them anew, and returns the
// least recently used files that together hold need bytes, the oldest first.
func (k *keeper) survey(need int64) []victim {
	k.mu.Lock()
	k.counted = make(map[uint64]counted)
	k.mu.Unlock()

	old := candidates{need: need}
	_ = filepath.WalkDir(k.dir, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(k.dir, path)
		key := filepath.ToSlash(rel)
		switch {
		case k.stopped():
			return fs.SkipAll
		case err != nil, relErr != nil, rel == ".": // it vanished, or can't be read: it can't be served either
			return nil
		case d.IsDir() && d.Name()[0] == '.' && key != odd:
			return fs.SkipDir
		case !d.IsDir() && !isKey(key):
			return nil
		}
		info := k.count(path)
		if info != nil && info.Mode().IsRegular() {
			old.add(victim{key: key, size: cost(info), accessed: accessed(info)})
		}
		return nil
	})

	k.mu.Lock()
	defer k.mu.Unlock()
	all := k.counted
	k.counted = nil
	if k.stopped() {
		return nil
	}
	k.stored, k.files, k.known = 0, 0, true
	for _, c := range all {
		k.stored += c.cost
		if c.file {
			k.files++
		}
	}
	k.tell()
	slices.SortFunc(old.files, func(a, b victim) int {
		return cmp.Or(a.accessed.Compare(b.accessed), cmp.Compare(a.key, b.key))
	})
	return old.files
}

// count counts a file or a directory, unless it was counted since the walk began
// because something was stored there: then it is no candidate either. It holds
// the lock over both looks, so that each is counted once, as it is.
func (k *keeper) count(path string) fs.FileInfo {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := hash(path)
	if _, done := k.counted[h]; done {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	k.counted[h] = counted{cost(info), info.Mode().IsRegular()}
	return info
}

// evict removes files, in their order, until there is room, and returns how many.
// What is going to happen is written down before: counts never go back.
func (k *keeper) evict(old []victim) (removed int) {
	if len(old) == 0 {
		return 0
	}
	k.mu.Lock()
	target := k.stored - k.excess()
	planned := k.evicted.clone()
	k.mu.Unlock()
	for _, v := range old {
		planned.add(hash(v.key))
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
	k.tell()
	return removed
}

// remove removes a file and the folders that it leaves empty, unless it is pinned
// or was used meanwhile.
func (k *keeper) remove(v victim, target int64) (done, enough bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stored <= target {
		return false, true
	}
	path := filepath.Join(k.dir, filepath.FromSlash(v.key))
	info, err := os.Lstat(path)
	if err != nil || accessed(info).After(v.accessed) || !k.unlink(v.key, path) {
		return false, false
	}
	k.evicted.add(hash(v.key))
	k.evictions = k.evicted.total
	return true, false
}

// unlink removes the file at path, unless it is pinned; k.mu is held.
func (k *keeper) unlink(key, path string) bool {
	return k.account(path, func() bool {
		return k.pins.unlessPinned(key, func() error { return os.Remove(path) })
	})
}

// discard removes the file at path, which is of no use any more, if it is there;
// k.mu is held.
func (k *keeper) discard(path string) {
	k.account(path, func() bool {
		info, err := os.Lstat(path)
		return err == nil && info.Mode().IsRegular() && os.Remove(path) == nil
	})
}

// account removes a file, and the folders that it leaves empty, from what is
// stored; k.mu is held.
func (k *keeper) account(path string, remove func() bool) bool {
	paths := append([]string{path}, folders(k.dir, path)...)
	before := k.costOf(paths)
	done := remove()
	if done {
		prune(paths[1:])
		k.files--
	}
	k.stored += k.costOf(paths) - before
	return done
}

// victim is a file that may have to go.
type victim struct {
	key      string
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
