// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"sync"
	"time"

	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/signal"
)

// maxQueue bounds what waits for one signal's consumer. The rest waits in the journal.
const maxQueue = 64 << 10

// queue is what was understood and waits for the telling of one signal. Each
// signal has one, and a cursor of its own.
type queue struct {
	filled chan struct{} // has an element when there may be an item
	closed chan struct{} // no item will be added any more

	mu    sync.Mutex
	room  sync.Cond // there may be room
	items []queued
	taken time.Time // when the oldest item that was taken and isn't told yet ended; zero: there is none
	gone  bool      // nobody takes any more
}

// queued is an exchange or a session to tell, or a mark between them.
type queued struct {
	seq  uint64           // in the order of telling, over all runs; zero: a mark
	at   journal.Position // behind the record that settled it
	told *signal.Told
	// byPosition says that seq isn't what it was in an earlier run: there it is at
	// that tells what was told.
	byPosition bool
	// checkpoint is complete once all that stands before the mark is told.
	checkpoint *checkpoint
	// live marks the end of what earlier runs left.
	live bool
	// anew says that what was counted so far is less than what was shown.
	anew bool
}

func newQueue() *queue {
	q := &queue{filled: make(chan struct{}, 1), closed: make(chan struct{})}
	q.room.L = &q.mu
	return q
}

// add adds items. It waits while the queue is full: what isn't understood yet is
// safe in the journal.
func (q *queue) add(items ...queued) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) >= maxQueue && !q.gone {
		q.room.Wait()
	}
	if q.gone {
		return
	}
	q.items = append(q.items, items...)
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// take takes the oldest n items, or all if there are fewer; what was taken before
// is told.
func (q *queue) take(n int) []queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.items))
	items := make([]queued, n)
	copy(items, q.items)
	clear(q.items[:n]) // what they held can be collected
	q.items = q.items[n:]
	q.taken = ended(items)
	q.room.Broadcast()
	return items
}

// leave says that nobody takes any more. It returns how many exchanges and
// sessions are left.
func (q *queue) leave() (left int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, item := range q.items {
		if item.told != nil {
			left++
		}
	}
	q.items, q.gone = nil, true
	q.room.Broadcast()
	return left
}

// waiting returns how many items aren't taken, and when the oldest that isn't
// told ended; the zero time if all are told.
func (q *queue) waiting() (int, time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	oldest := q.taken
	if oldest.IsZero() {
		oldest = ended(q.items)
	}
	return len(q.items), oldest
}

// ended returns when the first exchange or session of items ended.
func ended(items []queued) time.Time {
	for _, item := range items {
		switch t := item.told; {
		case t == nil:
		case t.Session != nil:
			return t.Session.End.Time()
		default:
			return t.End.Time.Time()
		}
	}
	return time.Time{}
}

// isClosed reports whether no item will be added any more.
func (q *queue) isClosed() bool {
	select {
	case <-q.closed:
		return true
	default:
		return false
	}
}

// wait waits for d, or until the queue is closed.
func (q *queue) wait(d time.Duration) {
	select {
	case <-q.closed:
	case <-time.After(d):
	}
}
