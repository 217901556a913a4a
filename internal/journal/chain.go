// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"sync"
	"sync/atomic"
)

// chain is what both journals are: segments, the oldest first, of which writers
// fill the last and one reader walks all. Owners decide what follows a full
// segment and when the oldest goes.
type chain struct {
	tail atomic.Pointer[segment]
	// next puts another segment behind full, unless that is done already.
	next func(full *segment)
	// failed is told that a mapped segment is at fault; what follows is next's.
	failed func(s *segment, err error)
	// damaged is told what the reader found unreadable; nil: nobody.
	damaged func(d damage)

	mu       sync.Mutex
	segments []*segment // the last is the tail
	reading  *segment   // what the reader is in; it stays mapped
	read     Position   // how far the reader is
	lost     Loss       // not reported yet
	started  bool       // there was a reader
	kept     Position   // what stands before it is released

	// The reader's own.
	told Position // damage that begins before it was counted already
	buf  []byte
}

// damage is a stretch that can't be read.
type damage struct {
	in       *segment // or right before it
	from, to Position
	cause    error // nil: what stands there is no record
}

// Append implements [Journal].
func (c *chain) Append(record []byte) Position {
	if len(record) > MaxRecord {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lost.Damaged++
		return c.tail.Load().end()
	}
	size := recordSize(len(record))
	for {
		s := c.tail.Load()
		off, ok := s.reserve(size)
		if !ok {
			c.next(s)
			continue
		}
		if err := s.tryPut(off, record); err != nil {
			c.giveUp(s, off, size, err)
			continue
		}
		s.unpin()
		return s.base + Position(off+size)
	}
}

// giveUp leaves a hole where the mapping is at fault; the record goes to the
// next segment.
func (c *chain) giveUp(s *segment, off, size int, err error) {
	c.mu.Lock()
	if s.holes == nil {
		s.holes = map[int]int{}
	}
	s.holes[off] = size
	c.mu.Unlock()
	s.unpin()
	c.failed(s, err)
}

// follow puts s behind the tail, which is sealed; the caller holds the lock.
func (c *chain) follow(s *segment) {
	c.segments = append(c.segments, s)
	c.tail.Store(s)
}

// Read implements [Journal].
func (c *chain) Read(after Position, fn func(p Position, record []byte)) (last Position, lost Loss) {
	if c.buf == nil {
		c.buf = make([]byte, MaxRecord)
	}
	last = after
	take := func(d damage) {
		if c.count(d) {
			lost.Damaged++
			fn(d.from, nil)
		}
	}
	w := walk{
		buf:     c.buf,
		hole:    c.hole,
		damaged: take,
		fn: func(p Position, record []byte) {
			last = p
			fn(p, record)
		},
	}
	// A reader that is slower than the writers returns too, to say how far it is.
	limit := c.tail.Load().end()
	for s, at := c.enter(after, take); s != nil; s, at = c.enter(at, take) {
		at = w.segment(s, at)
		if !s.unused() || at < s.end() || at >= limit {
			c.leave(at)
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	lost.add(c.lost)
	c.lost = Loss{}
	return last, lost
}

// enter returns the first segment that has anything behind at, and from where
// to read it; nil if there is none. It says what is missing in between.
func (c *chain) enter(at Position, missing func(damage)) (*segment, Position) {
	s, behind := c.find(at)
	if s == nil {
		return nil, at
	}
	if at != 0 && at < behind {
		missing(damage{in: s, from: at, to: behind})
	}
	return s, max(at, s.base+Position(s.start))
}

func (c *chain) find(at Position) (s *segment, behind Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading, c.read, c.started = nil, at, true
	for _, s := range c.segments {
		if s.end() > at || !s.unused() {
			c.reading = s
			return s, s.behind
		}
	}
	return nil, 0
}

func (c *chain) leave(at Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading, c.read = nil, at
}

// count reports whether the reader comes upon d for the first time.
func (c *chain) count(d damage) bool {
	if d.from < c.told {
		return false
	}
	c.told = d.to
	if c.damaged != nil {
		c.damaged(d)
	}
	return true
}

// hole returns how many bytes at off of s were given up.
func (c *chain) hole(s *segment, off int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.holes[off]
}

// evict takes the oldest segment out of the chain of those for which may is
// true, and counts what the reader hadn't read of it; nil if none can go now:
// one that is being read or written stays.
func (c *chain) evict(may func(*segment) bool) *segment {
	s, read := c.oldest(may)
	if s == nil || s.end() <= read {
		return s
	}
	var lost Loss
	w := walk{
		buf:     make([]byte, MaxRecord),
		hole:    c.hole,
		damaged: func(damage) { lost.Damaged++ },
		fn:      func(Position, []byte) { lost.Full++ },
	}
	w.segment(s, max(read, s.base+Position(s.start)))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost.add(lost)
	return s
}

func (c *chain) oldest(may func(*segment) bool) (s *segment, read Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.segments[:len(c.segments)-1] {
		if s != c.reading && s.unused() && may(s) {
			c.remove(i)
			return s, c.read
		}
	}
	return nil, 0
}

// remove takes segment i out, which isn't the last. What was missing before it
// is missing before the next one then.
func (c *chain) remove(i int) {
	c.segments[i+1].behind = c.segments[i].behind
	c.segments = append(c.segments[:i:i], c.segments[i+1:]...)
}

// released takes out the segments of which no record is needed any more.
func (c *chain) released(p Position) (gone []*segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = max(c.kept, p)
	for len(c.segments) > 1 {
		s := c.segments[0]
		if s == c.reading || s.end() > p || !s.unused() {
			break
		}
		c.remove(0)
		gone = append(gone, s)
	}
	return gone
}

// room returns what is left of half the place that there is; the caller holds the lock.
func (c *chain) room(place int64) int64 {
	room := place / 2
	for _, s := range c.segments {
		room -= max(0, int64(s.end())-int64(max(c.kept, s.base+Position(s.start))))
	}
	return room
}

// size returns how many bytes the records take; the caller holds the lock.
func (c *chain) size() (n int64) {
	for _, s := range c.segments {
		n += int64(s.end()-s.base) - int64(s.start)
	}
	return n
}
