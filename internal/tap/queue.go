// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"sync"
	"time"

	"github.com/modtap/modtap/internal/signal"
)

// maxQueue and maxQueueBytes bound what waits for one signal's consumer. The rest
// waits in the journal.
const (
	maxQueue      = 64 << 10
	maxQueueBytes = 16 << 20
)

// queue is what was understood and waits for the telling of one signal. Each
// signal has one, and a cursor of its own.
type queue struct {
	filled chan struct{} // has an element when there may be an item
	closed chan struct{} // no item will be added any more

	mu    sync.Mutex
	room  sync.Cond // there may be room
	items []queued
	bytes int64     // of items
	taken time.Time // when the oldest item that was taken and isn't told yet ended; zero: there is none
	gone  bool      // nobody takes any more
}

// queued is an exchange or a session to tell, or a mark between them.
type queued struct {
	place

	told *signal.Told
	// byPosition says that seq isn't what it was in an earlier run: there it is at
	// and nth that tell what was told.
	byPosition bool
	// checkpoint is complete once all that stands before the mark is told.
	checkpoint *checkpoint
	// live marks the end of what earlier runs left.
	live bool
	// anew says that what was counted so far is less than what was shown.
	anew bool
}

// size is about what an item takes of the memory, in bytes.
func (i *queued) size() int64 {
	const own = 1 << 10 // with the maps and slices of what is told
	if i.told == nil || i.told.Begin == nil {
		return own
	}
	return own + i.told.Begin.Size() + i.told.End.Size()
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
	for (len(q.items) >= maxQueue || q.bytes >= maxQueueBytes) && !q.gone {
		q.room.Wait()
	}
	if q.gone {
		return
	}
	q.items = append(q.items, items...)
	for i := range items {
		q.bytes += items[i].size()
	}
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// take takes the oldest n items, or all if there are fewer. They wait on until done.
func (q *queue) take(n int) []queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.items))
	items := make([]queued, n)
	copy(items, q.items)
	for i := range items {
		q.bytes -= items[i].size()
	}
	clear(q.items[:n]) // what they held can be collected
	q.items = q.items[n:]
	q.taken = ended(items)
	q.room.Broadcast()
	return items
}

// done says that what was taken waits no more: it is told, or lost. Nothing else
// may be needed to learn it, such as a next item to take.
func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = time.Time{}
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
	q.items, q.bytes, q.gone, q.taken = nil, 0, true, time.Time{}
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
