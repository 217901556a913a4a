// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"
	"time"
)

// An image is a bbolt file as bytes. It is read without bbolt and without a mapping, so that no damage can do more than hide
// what is in it. The layout is that of bbolt v1.5, internal/common: meta.go, page.go, bucket.go.
type image struct {
	file     io.ReaderAt
	size     int64
	pageSize int64
	until    time.Time // when to give up walking; the zero value is never
}

const (
	headerSize  = 16 // of a page: id, flags, count, overflow
	elementSize = 16 // of an entry in a page: flags, pos, ksize, vsize; or pos, ksize, page
	branchFlag  = 0x01
	leafFlag    = 0x02
	bucketFlag  = 0x01 // of a leaf's entry
	bucketSize  = 16   // of a bucket's value: its root page, 0 if it is inline; sequence
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSummed  = 56 // bytes of a meta that its checksum covers
	maxKey      = 32768
	maxValue    = 64 << 20 // more is damage: a request is of at most a few hundred records
)

var order = binary.NativeEndian

// A meta is where a tree begins.
type meta struct{ pageSize, root, tx uint64 }

// An entry is a key and where its value is.
type entry struct {
	key      []byte
	at, size int64
	bucket   bool
}

var errPage = errors.New("damaged page")

func newImage(file io.ReaderAt, size int64) (*image, []meta) {
	im := &image{file: file, size: size, pageSize: int64(os.Getpagesize())}
	var metas []meta
	for at := int64(0); at <= 1<<16; at = max(512, at*2) {
		// The first meta is at 0, the second behind one page, whatever its size.
		m, ok := im.meta(at)
		if ok && (at == 0 || at == int64(m.pageSize)) {
			im.pageSize = int64(m.pageSize)
			metas = append(metas, m)
		}
	}
	if len(metas) == 2 && metas[1].tx > metas[0].tx {
		metas[0], metas[1] = metas[1], metas[0]
	}
	return im, metas
}

func (im *image) meta(at int64) (meta, bool) {
	b, err := im.read(at+headerSize, metaSummed+8)
	if err != nil || order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion {
		return meta{}, false
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSummed])
	m := meta{pageSize: uint64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), tx: order.Uint64(b[48:])}
	return m, sum.Sum64() == order.Uint64(b[metaSummed:]) && m.pageSize >= 512 && m.pageSize <= 1<<16
}

// read returns n bytes, all of them or an error.
func (im *image) read(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || n > maxValue || at > im.size-n {
		return nil, errPage
	}
	b := make([]byte, n)
	if got, err := im.file.ReadAt(b, at); int64(got) < n {
		return nil, errors.Join(errPage, err)
	}
	return b, nil
}

// page returns what a page has: the entries of a leaf or the children of a branch. Damaged entries are left out, and told
// by an error beside the others.
func (im *image) page(id uint64) (entries []entry, children []uint64, err error) {
	if id > uint64(im.size/im.pageSize) {
		return nil, nil, errPage
	}
	at := int64(id) * im.pageSize
	header, err := im.read(at, headerSize)
	if err != nil {
		return nil, nil, err
	}
	if order.Uint64(header) != id {
		return nil, nil, errPage
	}
	return im.elements(header, at, (1+int64(order.Uint32(header[12:])))*im.pageSize)
}

// elements reads a page of a length, which an inline bucket's isn't a page's.
func (im *image) elements(header []byte, at, length int64) (entries []entry, children []uint64, err error) {
	flags, count := order.Uint16(header[8:]), int64(order.Uint16(header[10:]))
	if flags != branchFlag && flags != leafFlag || headerSize+count*elementSize > length {
		return nil, nil, errPage
	}
	table, err := im.read(at+headerSize, count*elementSize)
	if err != nil {
		return nil, nil, err
	}
	var damaged error
	for i := range count {
		element, begin := table[i*elementSize:], headerSize+i*elementSize
		if flags == branchFlag {
			children = append(children, order.Uint64(element[8:]))
			continue
		}
		pos, ksize, vsize := int64(order.Uint32(element[4:])), int64(order.Uint32(element[8:])), int64(order.Uint32(element[12:]))
		if ksize == 0 || ksize > maxKey || vsize > maxValue || begin+pos+ksize+vsize > length || at+begin+pos+ksize+vsize > im.size {
			damaged = errPage
			continue
		}
		key, err := im.read(at+begin+pos, ksize)
		if err != nil {
			damaged = err
			continue
		}
		entries = append(entries, entry{
			key: key, at: at + begin + pos + ksize, size: vsize,
			bucket: order.Uint32(element)&bucketFlag != 0,
		})
	}
	return entries, children, damaged
}

// bucket returns the entries of the bucket that an entry is; seen are the pages that were visited.
func (im *image) bucket(e entry, seen map[uint64]bool) ([]entry, error) {
	head, err := im.read(e.at, bucketSize)
	if err != nil || e.size < bucketSize {
		return nil, errPage
	}
	if root := order.Uint64(head); root != 0 {
		return im.tree(root, seen)
	}
	header, err := im.read(e.at+bucketSize, headerSize)
	if err != nil {
		return nil, err
	}
	entries, _, err := im.elements(header, e.at+bucketSize, e.size-bucketSize)
	return entries, err
}

// tree returns the entries below a page. It goes on past damage, visits no page twice, and uses no stack.
func (im *image) tree(root uint64, seen map[uint64]bool) (all []entry, damaged error) {
	for todo := []uint64{root}; len(todo) > 0; {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[id] {
			damaged = errPage
			continue
		}
		seen[id] = true
		if len(seen)%1024 == 0 && !im.until.IsZero() && time.Now().After(im.until) {
			return all, errEnough
		}
		entries, children, err := im.page(id)
		if err != nil {
			damaged = err
		}
		all, todo = append(all, entries...), append(todo, children...)
	}
	return all, damaged
}
