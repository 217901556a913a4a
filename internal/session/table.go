// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"net/netip"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/modtap/modtap/internal/exchange"
)

// Settings say what belongs to one session.
type Settings struct {
	// IdleGap is how long no request of a session may be in flight before the next
	// one opens another session. Zero: each request has its own.
	IdleGap time.Duration
	// MaxDuration is how long after its first request a session is joined at most.
	// Zero: not at all.
	MaxDuration time.Duration
	// MaxOpen is how many sessions are remembered, those with requests in flight
	// aside; the longest idle go first. It is rounded up to a multiple of 32.
	MaxOpen int
}

// Key tells clients apart. What is kept of it is a hash.
type Key struct {
	// Address is the client's.
	Address netip.Addr
	// UserAgent is the User-Agent header.
	UserAgent string
	// Identity is who the client says to be. Empty: nobody in particular.
	Identity string
}

const shards = 32

// Table knows the sessions that the next request can belong to. It is safe for
// concurrent use.
type Table struct {
	settings Settings
	limit    int // of a shard
	secret   []byte
	shards   [shards]shard
}

// shard holds the sessions of some keys.
type shard struct {
	mu   sync.Mutex
	open map[uint64]*Open
	// idle is the head of a ring of those without a request in flight, the longest
	// idle first.
	idle Open
	_    [64]byte // no shard slows its neighbour down
}

// Open is a session with a request in flight.
type Open struct {
	shard   *shard
	key     uint64
	session exchange.Session
	began   exchange.Time
	last    exchange.Time // when no request was in flight any more

	inFlight   int
	gone       bool  // another one has its place in the table
	prev, next *Open // in the ring; nil: not in it
}

// NewTable returns an empty table. What it knows clients by depends on secret, so
// that nobody can make up two clients that are taken for one; with the same secret
// a stored table can be taken over.
func NewTable(s Settings, secret []byte) *Table {
	t := &Table{settings: s, limit: (max(1, s.MaxOpen) + shards - 1) / shards, secret: secret}
	for i := range t.shards {
		head := &t.shards[i].idle
		head.prev, head.next = head, head
		t.shards[i].open = make(map[uint64]*Open)
	}
	return t
}

// Choose returns the server span and the session of a request that arrived at
// now; [Open.Done] must follow when it is over. The client's own trace context
// wins: remote's trace is the session then, and remote the parent, a span that
// Modtap tells itself where tracestate holds [goauth.Mark]. With a zero remote,
// requests of one key belong together as the settings say, under a root span of
// ours.
func (t *Table) Choose(now exchange.Time, key Key, remote exchange.Span) (exchange.Span, exchange.Session, *Open) {
	root := marked(remote.State)
	h := t.hash(key, remote, root)
	s := &t.shards[h%shards]
	s.mu.Lock()
	o := s.open[h]
	if o == nil || o.over(now, &t.settings) || !remote.IsZero() && o.session.ID != remote.TraceID {
		o = t.replace(s, h, now, o, remote, root)
	}
	o.unlink()
	o.inFlight++
	s.mu.Unlock()

	span := exchange.Span{TraceID: o.session.ID, SpanID: NewSpanID(), ParentID: o.session.Root, Flags: sampled}
	if !remote.IsZero() {
		span.Flags, span.State = remote.Flags, withoutMark(remote.State)
		if !root {
			span.ParentID = remote.SpanID
		}
	}
	return span, o.session, o
}

// Done notes that a request of the session is over.
func (o *Open) Done(now exchange.Time) {
	o.shard.mu.Lock()
	defer o.shard.mu.Unlock()
	o.inFlight--
	o.last = max(o.last, now)
	if o.inFlight == 0 && !o.gone {
		o.shard.rest(o)
	}
}

// rest puts o behind those that are idle.
func (s *shard) rest(o *Open) {
	head := &s.idle
	o.prev, o.next = head.prev, head
	head.prev.next, head.prev = o, o
}

// Len returns how many sessions are remembered.
func (t *Table) Len() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.open)
		s.mu.Unlock()
	}
	return n
}

// hash returns what the table knows a session by: who asks, or the client's
// trace, with the root span where that is ours to tell.
func (t *Table) hash(key Key, remote exchange.Span, root bool) uint64 {
	var h xxhash.Digest
	h.Reset()
	_, _ = h.Write(t.secret)
	if !remote.IsZero() {
		_, _ = h.Write(remote.TraceID[:])
		if root {
			_, _ = h.Write(remote.SpanID[:])
		}
		return h.Sum64()
	}
	addr := key.Address.As16()
	_, _ = h.Write(addr[:])
	_, _ = h.WriteString(key.Address.Zone())
	_, _ = h.WriteString("\x00")
	_, _ = h.WriteString(key.UserAgent)
	_, _ = h.WriteString("\x00")
	_, _ = h.WriteString(key.Identity)
	return h.Sum64()
}

// replace opens a session in the place of old, which is nil or over.
func (t *Table) replace(s *shard, h uint64, now exchange.Time, old *Open, remote exchange.Span, root bool) *Open {
	o := &Open{shard: s, key: h, began: now, last: now}
	switch {
	case remote.IsZero():
		o.session = exchange.Session{ID: newTraceID(), Inferred: true, Root: NewSpanID()}
	case !root:
		o.session = exchange.Session{ID: remote.TraceID}
	case old == nil:
		o.session = exchange.Session{ID: remote.TraceID, Root: remote.SpanID}
	default: // the root is told by now, and told once: this is a later part of it
		o.session = exchange.Session{ID: remote.TraceID, Root: NewSpanID(), RootParent: remote.SpanID}
	}
	if old != nil {
		old.leave()
	}
	s.open[h] = o
	s.trim(now, t)
	return o
}

// trim forgets the longest idle sessions: all beyond the limit, and otherwise at
// most two that nothing can join any more.
func (s *shard) trim(now exchange.Time, t *Table) {
	for n := 0; s.idle.next != &s.idle; n++ {
		longest := s.idle.next
		if len(s.open) <= t.limit && (n >= 2 || !longest.stale(now, &t.settings)) {
			return
		}
		longest.leave()
	}
}

// over reports whether a request that arrives at now opens another session.
func (o *Open) over(now exchange.Time, s *Settings) bool {
	return o.inFlight == 0 && now.Sub(o.last) >= s.IdleGap || now.Sub(o.began) >= s.MaxDuration
}

// stale reports whether o can be forgotten. A client's own trace is remembered
// longer than it can be joined: its root span mustn't be told again.
func (o *Open) stale(now exchange.Time, s *Settings) bool {
	if o.session.Inferred {
		return o.over(now, s)
	}
	return now.Sub(o.last) >= s.MaxDuration
}

// leave takes o out of the table.
func (o *Open) leave() {
	o.unlink()
	o.gone = true
	if o.shard.open[o.key] == o {
		delete(o.shard.open, o.key)
	}
}

// unlink takes o out of the ring.
func (o *Open) unlink() {
	if o.next != nil {
		o.prev.next, o.next.prev = o.next, o.prev
		o.prev, o.next = nil, nil
	}
}
