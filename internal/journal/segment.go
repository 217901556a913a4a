// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"hash/crc32"
	"sync/atomic"
	"unsafe"
)

// A record is one word, then the bytes, then zeros up to the next multiple of
// eight. The word holds a mark (15 bits), the length (17 bits) and a CRC-32C
// (32 bits), and is written last, at once: before that the record isn't there.
// The sum covers the record's position too, so bytes that look like a record
// but were written elsewhere, or came from a client, aren't taken for one. Words
// are in the machine's own byte order: a journal doesn't move between machines.
const (
	wordSize    = 8
	mark        = 0x5a6d
	markShift   = 49
	lengthShift = 32
	lengthMask  = 1<<17 - 1
)

// State of a segment, in one word, so that a writer reserves its place and holds
// the segment mapped by one atomic operation.
const (
	usedMask = 1<<32 - 1 // bytes reserved from the segment's start on
	onePin   = 1 << 32   // bits 32 to 62: writers at work
	sealed   = 1 << 63   // nobody reserves any more
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is a stretch of the journal in one piece of memory. Its fields but
// state and data's bytes are fixed, or guarded by the chain's lock, once it is
// in a chain.
type segment struct {
	base  Position
	state atomic.Uint64
	data  []byte // its length a multiple of eight; shorter than used if the file was cut
	start int    // of the first record
	// behind is where the segment before this one ended; records between that
	// and base are missing unless they were released.
	behind Position
	file   *file // nil: in memory

	// holes are places that were reserved and then given up, because the mapping
	// was at fault; their records stand in a later segment.
	holes map[int]int
}

// memorySize is how much memory is taken at a time, in bytes.
const memorySize = 256 << 10

// newMemory returns a segment on the heap that follows behind.
func newMemory(behind Position) *segment {
	return &segment{base: behind, behind: behind, data: make([]byte, memorySize)}
}

// recordSize is how many bytes a record of n bytes takes.
func recordSize(n int) int { return (wordSize + n + wordSize - 1) &^ (wordSize - 1) }

// reserve takes size bytes for a writer, which must call unpin; ok is false if
// the segment is sealed or has no room.
func (s *segment) reserve(size int) (off int, ok bool) {
	for {
		old := s.state.Load()
		off = int(old & usedMask)
		if old&sealed != 0 || off+size > len(s.data) {
			return 0, false
		}
		if s.state.CompareAndSwap(old, old+uint64(size)+onePin) {
			return off, true
		}
	}
}

func (s *segment) unpin() { s.state.Add(^uint64(onePin - 1)) }

// seal ends the segment and returns the position at which its records end.
func (s *segment) seal() Position {
	return s.base + Position(s.state.Or(sealed)&usedMask)
}

// extent returns how far the segment is used, whether it is sealed, and whether
// everything that was reserved so far is written.
func (s *segment) extent() (used int, isSealed, settled bool) {
	state := s.state.Load()
	return int(state & usedMask), state&sealed != 0, state&^(sealed|usedMask) == 0
}

func (s *segment) end() Position {
	return s.base + Position(s.state.Load()&usedMask)
}

// unused reports whether the segment is sealed and no writer touches it.
func (s *segment) unused() bool {
	_, isSealed, settled := s.extent()
	return isSealed && settled
}

func (s *segment) word(off int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&s.data[off]))
}

// sum returns the check sum of a record at off.
func (s *segment) sum(off int, record []byte) uint32 {
	place := (uint64(s.base) + uint64(off)) * 0x9e3779b97f4a7c15
	return crc32.Update(uint32(place>>32)^uint32(len(record)), castagnoli, record)
}

// put writes a record at off, which is reserved.
func (s *segment) put(off int, record []byte) {
	copy(s.data[off+wordSize:], record)
	s.word(off).Store(mark<<markShift | uint64(len(record))<<lengthShift | uint64(s.sum(off, record)))
}

// get returns the record at off, copied to buf, if there is a whole one before
// limit.
func (s *segment) get(off, limit int, buf []byte) (record []byte, ok bool) {
	limit = min(limit, len(s.data))
	if off+wordSize > limit {
		return nil, false
	}
	word := s.word(off).Load()
	n := int(word >> lengthShift & lengthMask)
	if word>>markShift != mark || n > MaxRecord || off+wordSize+n > limit {
		return nil, false
	}
	record = buf[:copy(buf[:n], s.data[off+wordSize:])]
	return record, s.sum(off, record) == uint32(word)
}

// place says where the segment is, for the log.
func (s *segment) place() string {
	if s.file == nil {
		return "memory"
	}
	return s.file.path
}

// zeroFrom returns where the zeros begin that reach to the end of data.
func (s *segment) zeroFrom() int {
	end := len(s.data)
	for end >= wordSize && binary.NativeEndian.Uint64(s.data[end-wordSize:]) == 0 {
		end -= wordSize
	}
	return end
}
