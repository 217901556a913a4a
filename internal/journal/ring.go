// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"sync"
)

// segmentSize is how much memory the ring takes at a time.
const segmentSize = 256 << 10

// Ring is a [Journal] in memory. It is lost with the process.
type Ring struct {
	maxSegments int

	mu       sync.Mutex
	segments []*segment // oldest first
	last     Position
}

var _ Journal = (*Ring)(nil)

// segment holds records, each behind its length. Bytes that were written are
// never written again, so what lies before a length once seen may be read
// without the lock.
type segment struct {
	first Position // of its first record
	buf   []byte
}

// NewRing returns a Ring that holds at most maxSize bytes, but always one
// segment of 256 KiB.
func NewRing(maxSize int64) *Ring {
	return &Ring{maxSegments: max(1, int(maxSize/segmentSize))}
}

// Append implements [Journal].
func (r *Ring) Append(record []byte) Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	s := r.tail(len(record) + binary.MaxVarintLen32)
	s.buf = binary.AppendUvarint(s.buf, uint64(len(record)))
	s.buf = append(s.buf, record...)
	return r.last
}

// tail returns a segment with room for size bytes, whose next record is r.last.
func (r *Ring) tail(size int) *segment {
	if n := len(r.segments); n > 0 {
		if s := r.segments[n-1]; cap(s.buf)-len(s.buf) >= size {
			return s
		}
		if n == r.maxSegments {
			r.segments = r.segments[1:]
		}
	}
	s := &segment{first: r.last, buf: make([]byte, 0, max(segmentSize, size))}
	r.segments = append(r.segments, s)
	return s
}

// Read implements [Journal].
func (r *Ring) Read(after Position, fn func(p Position, record []byte)) (Position, uint64) {
	var dropped uint64
	for {
		p, buf := r.next(after)
		if p == 0 {
			return after, dropped
		}
		if p > after+1 {
			dropped += uint64(p - after - 1)
		}
		for ; len(buf) > 0; p++ {
			n, w := binary.Uvarint(buf)
			record := buf[w : w+int(n)]
			buf = buf[w+int(n):]
			if p > after {
				fn(p, record)
				after = p
			}
		}
	}
}

// next returns the filled part of the oldest segment that holds a record
// behind after, and the position of that part's first record; 0 if there is none.
func (r *Ring) next(after Position) (Position, []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after >= r.last {
		return 0, nil
	}
	for i, s := range r.segments {
		if i+1 == len(r.segments) || r.segments[i+1].first > after+1 {
			return s.first, s.buf
		}
	}
	return 0, nil
}

// Release implements [Journal].
func (r *Ring) Release(p Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.segments) > 1 && r.segments[1].first <= p+1 {
		r.segments = r.segments[1:]
	}
}
