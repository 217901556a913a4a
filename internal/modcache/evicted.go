// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// stateFile holds what is remembered of evictions. It begins with a dot, like no
// name of the protocol.
const stateFile = ".evicted"

// maxEvicted is how many evicted names are remembered, by their hashes.
const maxEvicted = 16 << 10

// evicted remembers the names that were evicted last: a ring of their hashes. The
// zero value is ready for use.
type evicted struct {
	total int64 // of all evictions ever
	ring  []uint64
	next  int            // in the ring, once it is full
	slots map[uint64]int // in the ring, by hash
}

func (e *evicted) has(h uint64) bool {
	_, ok := e.slots[h]
	return ok
}

// forget is for a name that was stored again. Its slot stays until its turn.
func (e *evicted) forget(h uint64) { delete(e.slots, h) }

func (e *evicted) add(h uint64) {
	e.total++
	e.remember(h)
}

func (e *evicted) remember(h uint64) {
	if e.slots == nil {
		e.slots = make(map[uint64]int)
	}
	slot := e.next
	if len(e.ring) < maxEvicted {
		slot = len(e.ring)
		e.ring = append(e.ring, h)
	} else {
		if old := e.ring[slot]; e.slots[old] == slot {
			delete(e.slots, old)
		}
		e.ring[slot] = h
		e.next = (slot + 1) % maxEvicted
	}
	e.slots[h] = slot
}

func (e *evicted) clone() *evicted {
	c := &evicted{total: e.total}
	for _, h := range e.oldestFirst() {
		c.remember(h)
	}
	return c
}

// oldestFirst returns the remembered names.
func (e *evicted) oldestFirst() []uint64 {
	hashes := make([]uint64, 0, len(e.slots))
	for i := range e.ring {
		slot := (e.next + i) % len(e.ring)
		if at, ok := e.slots[e.ring[slot]]; ok && at == slot {
			hashes = append(hashes, e.ring[slot])
		}
	}
	return hashes
}

// save writes the memory to path, atomically: the number of all evictions and the
// remembered hashes, each in eight bytes, little-endian.
func (e *evicted) save(path string) error {
	hashes := e.oldestFirst()
	b := make([]byte, 0, 8+8*len(hashes))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.total))
	for _, h := range hashes {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	draft := filepath.Join(filepath.Dir(path), drafts, filepath.Base(path))
	if err := os.WriteFile(draft, b, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// load reads what save wrote. A file that is missing or broken is an empty memory.
func (e *evicted) load(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || len(b) < 8 || len(b)%8 != 0 || len(b) > 8+8*maxEvicted {
		return err
	}
	e.total = max(0, int64(binary.LittleEndian.Uint64(b)))
	for h := range slices.Chunk(b[8:], 8) {
		e.remember(binary.LittleEndian.Uint64(h))
	}
	return nil
}
