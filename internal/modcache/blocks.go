// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"io/fs"
	"os"
	"path/filepath"
)

// blockSize is what a file or a directory counts at least. So a bound in bytes
// bounds the inodes too, also on file systems that keep small files inside them.
const blockSize = 4096

// cost is what a file or a directory takes of the disk.
func cost(info fs.FileInfo) int64 { return max(blockSize, allocated(info)) }

// blocks is what size bytes take of the disk.
func blocks(size int64) int64 { return max(1, (size+blockSize-1)/blockSize) * blockSize }

// folders are the directories between dir and the file path, the deepest first.
func folders(dir, path string) (between []string) {
	dir = filepath.Clean(dir)
	for d := filepath.Dir(path); len(d) > len(dir); d = filepath.Dir(d) {
		between = append(between, d)
	}
	return between
}

// costOf sums up what of paths is there. While a walk runs it is counted there.
func (k *keeper) costOf(paths []string) (sum int64) {
	for _, p := range paths {
		info, err := os.Lstat(p)
		switch {
		case err == nil:
			sum += cost(info)
			if k.counted != nil {
				k.counted[hash(p)] = counted{cost(info), info.Mode().IsRegular()}
			}
		case k.counted != nil:
			delete(k.counted, hash(p))
		}
	}
	return sum
}

// prune removes those of the folders, the deepest first, that are empty.
func prune(between []string) {
	for _, d := range between {
		if info, err := os.Lstat(d); err != nil || !info.IsDir() || os.Remove(d) != nil {
			return
		}
	}
}

// Measure returns what dir takes of the disk, in bytes, as a cache is measured. It
// stops where that is more than enough.
func Measure(dir string, enough int64) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what can't be read isn't there
		}
		if info, err := d.Info(); err == nil {
			sum += cost(info)
		}
		if sum > enough {
			return fs.SkipAll
		}
		return nil
	})
	return sum
}
