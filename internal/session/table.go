// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// Settings say what belongs to one session.
type Settings struct {
	// IdleGap is how long no request of a session may be in flight before the next
	// one opens another session. Zero: each request has its own.
	IdleGap time.Duration
	// MaxDuration is how long after its first request a session is joined at most.
	// Zero: not at all.
	MaxDuration time.Duration
	// Late is how much longer the end of a session is waited for where requests become
	// known when they are over, so that one that took long isn't late. Zero: not at all.
	Late time.Duration
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
	// Owner is what the client sends beside its trace context to show that the trace
	// is its own; whoever else knows the trace doesn't know this. It tells the client
	// whatever its address and identity. Empty: the client sent none.
	Owner string
	// Job is the CI job that the client runs in. Requests of one job belong together
	// over a longer quiet phase. Empty: none is known.
	Job string
	// Conn is the connection, if it is the client's own; a command keeps its
	// connections, so they tell commands apart that share all of the above. Nil: clients
	// share it, or it ends with this request.
	Conn *Conn
	// Streams tells whether Conn carries several requests at once, as HTTP/2 does.
	Streams bool
	// Request is what is asked for.
	Request goproxy.Request

	reached exchange.Time // see [Table.Whole]; zero: the request is known from its beginning
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

// shard holds the sessions of some keys; all of one client's trace are in one.
type shard struct {
	mu     sync.Mutex
	open   map[uint64]*Open
	claims map[uint64]claim  // by the trace's hash
	crowds map[uint64]*crowd // of go commands, by the client's hash
	asked  int               // files that the commands in them asked for
	fresh  []*Conn           // without a request, the longest accepted first
	widths [17]int           // go commands that are over, by how many connections they had at once
	conns  uint64            // how many were accepted
	index  uint64
	// idle is the head of a ring of those without a request in flight, the longest
	// idle first.
	idle Open
	_    [64]byte // no shard slows its neighbour down
}

// Open is a session that requests can join.
type Open struct {
	shard   *shard
	key     uint64
	session exchange.Session
	claim   uint64 // the hash of the trace that the session has claimed; zero: none
	began   exchange.Time
	last    exchange.Time // when no request was in flight any more

	conns          []*Conn  // its own ones that are open: it isn't over while there are any
	dialled, width int      // how many it has had, and at once
	command        *command // what it asked for; nil: its connections don't tell it

	requests   int // of this part of it
	inFlight   int
	job        bool  // of a CI job
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
		t.shards[i].open, t.shards[i].claims = make(map[uint64]*Open), make(map[uint64]claim)
		t.shards[i].crowds, t.shards[i].index = make(map[uint64]*crowd), uint64(i)
	}
	return t
}

// Choose returns the server span and the session of a request that arrived at
// now; [Open.Done] must follow when it is over.
//
// The client's own trace context wins: the span continues remote's trace. That
// trace is the session too, if the client is the trace's owner, which is the first
// one that sent it; with a root span that Modtap tells where tracestate holds
// [goauth.Mark]. Whoever else sends the same trace context has sessions with ids of
// their own and without a root.
//
// With a zero remote, requests of one key belong together as the settings say,
// under a root span of ours.
func (t *Table) Choose(now exchange.Time, key Key, remote exchange.Span) (exchange.Span, exchange.Session, Use) {
	if remote.IsZero() {
		session, use := t.infer(now, &key)
		return exchange.Span{TraceID: session.ID, SpanID: NewSpanID(), ParentID: session.Root, Flags: sampled}, session, use
	}
	f := t.traced(key, remote)
	session, use := t.join(&t.shards[f.trace%shards], f.key, now, &f, &key)
	span := exchange.Span{
		TraceID: remote.TraceID, SpanID: NewSpanID(), ParentID: remote.SpanID,
		Flags: remote.Flags, State: withoutMark(remote.State),
	}
	if session.Root != (exchange.SpanID{}) {
		span.ParentID = session.Root
	}
	return span, session, use
}

// infer returns the session of a client that sent no trace context: that of its job
// if it names one, else that of the connection if that is a go command's own.
func (t *Table) infer(now exchange.Time, key *Key) (exchange.Session, Use) {
	if key.Job == "" && key.Conn != nil && goCommand(key.UserAgent) {
		if session, use := t.byConnection(now, key); use.open != nil {
			return session, use
		}
	}
	h := t.hash(*key, key.UserAgent)
	return t.join(&t.shards[h%shards], h, now, nil, key)
}

// join returns the session of key h, a new one if there is none to join, with one
// more request in flight. f is the client's trace context; nil: it sent none.
func (t *Table) join(s *shard, h uint64, now exchange.Time, f *traced, key *Key) (exchange.Session, Use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stranger := f != nil && !s.owns(f)
	if stranger {
		h = f.strangers
	}
	o := s.open[h]
	switch {
	case o == nil || o.over(now, &t.settings):
		o = t.replace(s, h, now, o, f, stranger)
		o.job = key.Job != ""
	case o.closed(key.reached, &t.settings):
		o.part()
	}
	if f != nil && key.Conn != nil && goCommand(key.UserAgent) && key.Conn.owner.Load() == nil {
		o.own(key.Conn)
	}
	o.arrive(now, &t.settings)
	return o.held(), Use{open: o}
}

// arrive notes a request. One that a client's only request was long ago, though its
// connection is open, begins another part of the session, below the first: so long
// isn't waited with telling of a client that asked for one thing.
func (o *Open) arrive(now exchange.Time, s *Settings) {
	if o.alone() && o.inFlight == 0 && now.Sub(o.last) >= s.Gap(o.job) {
		o.part()
	}
	o.unlink()
	o.requests++
	o.inFlight++
}

// part begins another part of the session, below the first, whose root is told by now;
// where the root isn't ours to tell, there are no parts.
func (o *Open) part() {
	if o.session.Root == (exchange.SpanID{}) {
		return
	}
	o.session.RootParent = cmp.Or(o.session.RootParent, o.session.Root)
	o.session.Root = NewSpanID()
	o.requests = 0
}

// alone reports whether the session has a connection but no more than one request.
func (o *Open) alone() bool { return o.requests == 1 && len(o.conns) > 0 }

// held returns the session as it is now.
func (o *Open) held() exchange.Session {
	session := o.session
	session.Held = len(o.conns) > 0
	return session
}

// Use is a request of a session. The zero value is one that has none.
type Use struct {
	open *Open
	conn *Conn // nil: it is no evidence
	file uint64
}

// Broke notes that the client lost its connection by our doing, so that it may go on
// with another one.
func (u Use) Broke() {
	if u.conn == nil {
		return
	}
	u.open.shard.mu.Lock()
	defer u.open.shard.mu.Unlock()
	u.open.command.broken = true
	u.open.command.forget(u.file, u.open.shard)
}

// Failed notes that the client isn't given what it asked for, so that it may ask for
// it again.
func (u Use) Failed() {
	if u.conn == nil {
		return
	}
	s := u.open.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	u.conn.failed = true
	u.open.command.forget(u.file, s)
}

// Done notes that the request is over.
func (u Use) Done(now exchange.Time) {
	o := u.open
	if o == nil {
		return
	}
	o.shard.mu.Lock()
	defer o.shard.mu.Unlock()
	if u.conn != nil {
		u.conn.busy--
		u.conn.idle = now
		if x, known := o.command.asked[u.file]; known {
			x.answered = now
			o.command.asked[u.file] = x
		}
	}
	o.inFlight--
	o.last = max(o.last, now)
	if o.inFlight == 0 && len(o.conns) == 0 && !o.gone {
		o.rest()
	}
}

// rest puts o, which has no request in flight and no connection, behind those that
// are idle.
func (o *Open) rest() {
	if o.gone {
		return
	}
	o.unlink()
	head := &o.shard.idle
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

// hash returns what a client is known by: with its user agent, or without.
func (t *Table) hash(key Key, agent string) uint64 {
	h := t.digest()
	addr := key.Address.As16()
	_, _ = h.Write(addr[:])
	_, _ = h.WriteString(key.Address.Zone())
	_, _ = h.WriteString("\x00")
	_, _ = h.WriteString(agent)
	_, _ = h.WriteString("\x00")
	_, _ = h.WriteString(key.Identity)
	if agent != "" && key.Job != "" {
		_, _ = h.WriteString("\x00")
		_, _ = h.WriteString(key.Job)
	}
	return h.Sum64()
}

// shardOf returns the shard of the connections from an address.
func (t *Table) shardOf(peer netip.Addr) *shard {
	h := t.hash(Key{Address: peer}, "")
	return &t.shards[h%shards]
}

// digest returns a hash that nobody can foretell who doesn't know the secret.
func (t *Table) digest() (h xxhash.Digest) {
	h.Reset()
	_, _ = h.Write(t.secret)
	return h
}

// replace opens a session in the place of old, which is nil or over.
func (t *Table) replace(s *shard, h uint64, now exchange.Time, old *Open, f *traced, stranger bool) *Open {
	o := &Open{shard: s, key: h, began: now, last: now}
	switch {
	case f == nil:
		o.session = exchange.Session{ID: newTraceID(), Inferred: true, Root: NewSpanID()}
	case stranger:
		o.session = exchange.Session{ID: newTraceID()}
	case !f.marked:
		o.session = exchange.Session{ID: f.remote.TraceID}
	case old == nil:
		o.session = exchange.Session{ID: f.remote.TraceID, Root: f.remote.SpanID}
	default: // the root is told by now, and told once: this is a later part of it
		o.session = exchange.Session{ID: f.remote.TraceID, Root: NewSpanID(), RootParent: f.remote.SpanID}
	}
	if f != nil && !stranger {
		o.hold(f.trace, f.owner) // before old lets it go
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
	if now.Sub(o.began) >= s.MaxDuration {
		return true
	}
	return o.inFlight == 0 && len(o.conns) == 0 && now.Sub(o.last) >= s.Gap(o.job)
}

// JobGap is what [Settings.IdleGap] is at least for the requests of a CI job: they
// are known to belong together.
const JobGap = 15 * time.Second

// Gap is how long a session is quiet at most, one of a CI job or another.
func (s *Settings) Gap(job bool) time.Duration {
	if job {
		return max(JobGap, s.IdleGap)
	}
	return s.IdleGap
}

// stale reports whether o can be forgotten. A client's own trace is remembered
// longer than it can be joined: its root span mustn't be told again, and nobody
// else may claim it.
func (o *Open) stale(now exchange.Time, s *Settings) bool {
	if o.claim == 0 {
		return o.over(now.Add(-s.Late), s)
	}
	return now.Sub(o.last) >= s.MaxDuration
}

// leave takes o out of the table.
func (o *Open) leave() {
	o.unlink()
	o.gone = true
	o.release()
	if o.command != nil {
		o.shard.leaveCrowd(o)
	}
	for _, c := range o.conns {
		c.owner.CompareAndSwap(o, nil)
	}
	o.conns = nil
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
