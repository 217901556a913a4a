// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

// Ring is a [Journal] in memory. It is lost with the process.
type Ring struct {
	chain
	maxSegments int
}

var _ Journal = (*Ring)(nil)

// NewRing returns a Ring that holds at most maxSize bytes, but always two
// segments of 256 KiB.
func NewRing(maxSize int64) *Ring {
	r := &Ring{maxSegments: max(2, int(maxSize/memorySize))}
	r.next = r.grow
	r.follow(newMemory(0))
	return r
}

// grow puts a segment behind full and drops the oldest ones for it.
func (r *Ring) grow(full *segment) {
	if !r.extend(full) {
		return
	}
	for gone := full; gone != nil && r.length() > r.maxSegments; {
		gone = r.evict(func(*segment) bool { return true })
	}
}

func (r *Ring) extend(full *segment) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tail.Load() != full {
		return false
	}
	r.follow(newMemory(full.seal()))
	return true
}

func (r *Ring) length() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.segments)
}

// Release implements [Journal].
func (r *Ring) Release(p Position) { r.released(p) }

// Status implements [Journal].
func (r *Ring) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	place := int64(r.maxSegments) * memorySize
	return Status{Size: r.size(), MaxSize: place, Room: r.room(place), InMemory: true}
}

// Close implements [Journal].
func (r *Ring) Close() error { return nil }
