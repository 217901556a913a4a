// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"hash/maphash"
	"sync"
	"time"
)

// maxEmpty is how many empty answers are remembered.
const maxEmpty = 4096

// empties remembers the lists without a version: no block of the disk is worth
// one. It knows their names by a hash, so that its size hangs on nobody.
type empties struct {
	seed maphash.Seed

	mu sync.Mutex
	at map[uint64]time.Time
}

func newEmpties() *empties {
	return &empties{seed: maphash.MakeSeed(), at: make(map[uint64]time.Time)}
}

// note says whether name was answered with nothing now.
func (e *empties) note(name string, empty bool) {
	h := maphash.String(e.seed, name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !empty {
		delete(e.at, h)
		return
	}
	if _, known := e.at[h]; !known && len(e.at) >= maxEmpty {
		for other := range e.at { // any of them
			delete(e.at, other)
			break
		}
	}
	e.at[h] = time.Now()
}

// get returns when name was answered with nothing.
func (e *empties) get(name string) (at time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, ok = e.at[maphash.String(e.seed, name)]
	return at, ok
}
