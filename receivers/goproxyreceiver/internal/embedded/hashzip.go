// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"archive/zip"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// hashZip is [golang.org/x/mod/sumdb/dirhash.Hash1] of a zip's files, which reads them
// one after the other, by as many at once as there are processors. It leaves out what
// was hashed ahead. The error is that of the first file, by name, that can't be read:
// the reader of an entry is wrong where its size or checksum is.
func hashZip(entries []*zip.File, ahead map[int64]stretch) (string, error) {
	files := slices.Clone(entries)
	slices.SortStableFunc(files, func(a, b *zip.File) int { return cmp.Compare(a.Name, b.Name) })
	sums, errs := make([][sha256.Size]byte, len(files)), make([]error, len(files))
	var left []int
	for i, f := range files {
		if strings.Contains(f.Name, "\n") {
			return "", errors.New("file names with newlines are not supported")
		}
		at, err := f.DataOffset()
		if s, ok := ahead[at]; ok && err == nil && s.is(f) {
			sums[i] = s.sum
		} else {
			left = append(left, i)
		}
	}
	var next atomic.Int64
	var failed atomic.Bool
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(left)) {
		all.Go(func() {
			for !failed.Load() {
				n := next.Add(1) - 1
				if n >= int64(len(left)) {
					return
				}
				i := left[n]
				if errs[i] = hashEntry(files[i], &sums[i]); errs[i] != nil {
					failed.Store(true) // Those before it are being hashed, or are good.
				}
			}
		})
	}
	all.Wait()
	summary := sha256.New()
	for i, f := range files {
		if errs[i] != nil {
			return "", errs[i]
		}
		fmt.Fprintf(summary, "%x  %s\n", sums[i], f.Name)
	}
	return "h1:" + base64.StdEncoding.EncodeToString(summary.Sum(nil)), nil
}

func hashEntry(f *zip.File, sum *[sha256.Size]byte) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close() // Read only.
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return err
	}
	h.Sum(sum[:0])
	return nil
}
