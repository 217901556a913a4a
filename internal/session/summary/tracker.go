// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package summary sums up build sessions that are over, behind the journal; package
// session chooses them, before it.
package summary

import (
	"cmp"
	"container/list"
	"maps"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

// Slack is how much longer than the idle gap the records of a session are waited
// for: a request that has joined it may stand in the journal a moment later.
const Slack = time.Second

// Tracker takes records in journal order and hands on each session once it is
// over: at the first record whose time is an idle gap (and [Slack]) or more past
// its last end and the end of its last connection, with nothing in flight and every
// verdict final. What it hands on,
// and in which order, depends on the records alone. It holds the sessions of the
// last idle gap, at most twice as many as [session.Settings.MaxOpen] without a request in
// flight, and 8 MiB of them; beyond that, the longest idle are closed early.
type Tracker struct {
	limit int
	tell  func(*session.Closed)

	open   map[sessionKey]*tracked
	opened uint64
	idle   [waits]idleSessions // by what they wait for
	bytes  int64               // of all that are open
}

// wait is what a session waits for, once it has no unsettled request.
type wait uint8

const (
	waitsIdleGap    wait = iota
	waitsJobGap          // the same of a CI job
	waitsConnection      // that one of its own is closed
	waits
)

// idleSessions are those that wait for the same.
type idleSessions struct {
	list.List               // of *tracked, the longest idle first
	gap       time.Duration // at most
}

// sessionKey tells sessions apart: one trace can be several, each under a root of
// its own.
type sessionKey struct {
	id   exchange.TraceID
	root exchange.SpanID
}

type tracked struct {
	session.Closed

	number    uint64        // in the order of opening
	unsettled int           // requests without a verdict
	idle      *list.Element // nil: some are unsettled
	begun     int64         // requests
	wait      wait
	left      exchange.Time // when its last own connection was closed; zero: none was
}

// since returns when nothing of the session was there any more.
func (s *tracked) since() exchange.Time { return max(s.End, s.left) }

// waitFor returns what a session waits for that has, or hasn't, a connection: with
// one request only it isn't waited for that.
func (s *tracked) waitFor(held bool) wait {
	switch {
	case held && s.begun > 1:
		return waitsConnection
	case s.CI.Key() != "":
		return waitsJobGap
	}
	return waitsIdleGap
}

// maxTracked bounds what a Tracker holds, in bytes.
const maxTracked = 8 << 20

// size is about what a session takes of the memory, in bytes.
func (s *tracked) size() int64 {
	const entries = 128 // of the map and the list
	text := exchange.Begin{Client: s.Client, UserAgent: s.UserAgent, CI: s.CI, Span: s.First}
	return entries + int64(unsafe.Sizeof(*s)) + text.Size() - int64(unsafe.Sizeof(text)) + int64(len(s.SlowestModule)+len(s.SlowestVersion))
}

// NewTracker returns a Tracker that calls tell for each session that is over.
func NewTracker(s session.Settings, tell func(*session.Closed)) *Tracker {
	t := &Tracker{limit: 2 * max(1, s.MaxOpen), tell: tell, open: make(map[sessionKey]*tracked)}
	t.idle[waitsIdleGap].gap = s.Gap(false) + s.Late + Slack
	t.idle[waitsJobGap].gap = s.Gap(true) + s.Late + Slack
	t.idle[waitsConnection].gap = s.MaxDuration + Slack
	return t
}

// Open returns how many sessions aren't over.
func (t *Tracker) Open() int { return len(t.open) }

// Add takes the next record, after [Tracker.Settled] was called for what it
// settles.
func (t *Tracker) Add(r exchange.Record) {
	switch r.Kind {
	case exchange.KindStart:
		if !r.Start.Continues {
			t.settleAll(r.Time)
		}
	case exchange.KindStop:
		t.closeAll()
	case exchange.KindBegin:
		t.begin(r.Begin)
	case exchange.KindTick:
		if s := t.open[sessionKey{r.Left.ID, r.Left.Root}]; s != nil {
			t.leave(s, r.Time)
		}
	}
	for i := range t.idle {
		t.closeIdle(&t.idle[i], r.Time)
	}
}

// closeIdle closes the sessions that have waited long enough, and the longest idle
// beyond the limits.
func (t *Tracker) closeIdle(idle *idleSessions, now exchange.Time) {
	for front := idle.Front(); front != nil; front = idle.Front() {
		s := front.Value.(*tracked)
		if s.since().Add(idle.gap) > now && idle.Len() <= t.limit && t.bytes <= maxTracked {
			return
		}
		t.close(s)
	}
}

// rest lets s wait, behind those that do already; it has no unsettled request.
func (t *Tracker) rest(s *tracked) { s.idle = t.idle[s.wait].PushBack(s) }

// stir takes s out of those that wait.
func (t *Tracker) stir(s *tracked) {
	if s.idle != nil {
		t.idle[s.wait].Remove(s.idle)
		s.idle = nil
	}
}

// leave notes that the connections of s are closed.
func (t *Tracker) leave(s *tracked, now exchange.Time) {
	resting := s.idle != nil
	t.stir(s)
	s.left, s.wait = max(s.left, now), s.waitFor(false)
	if resting {
		t.rest(s)
	}
}

func (t *Tracker) begin(b *exchange.Begin) {
	if b.Side != exchange.Ingress || b.Session.ID == (exchange.TraceID{}) {
		return
	}
	key := sessionKey{b.Session.ID, b.Session.Root}
	s := t.open[key]
	if s == nil {
		t.opened++
		s = &tracked{number: t.opened, Closed: session.Closed{
			Session: b.Session, First: b.Span.Clone(), Start: b.Time, End: b.Time, Offset: b.Offset,
			Client: b.Client.Clone(), UserAgent: strings.Clone(b.UserAgent), CI: b.CI.Clone(),
		}}
		t.open[key] = s
		t.bytes += s.size()
	}
	t.stir(s)
	s.begun++
	s.wait = s.waitFor(b.Session.Held)
	s.unsettled++
	s.Start = min(s.Start, b.Time)
}

// Settled takes the verdict on an exchange.
func (t *Tracker) Settled(x *cache.Settled) {
	b, e, request := x.Begin, x.End, &x.Begin.Request
	s := t.open[sessionKey{b.Session.ID, b.Session.Root}]
	if s == nil || b.Side != exchange.Ingress {
		return
	}
	s.count(x)
	s.Requests++
	s.Bytes += e.BodySize
	s.End = max(s.End, e.Time)
	if x.Verdict.Outcome.Failure() {
		s.Failures++
	}
	if took := e.Time.Sub(b.Time); took > s.Slowest && request.Module != "" {
		t.bytes -= s.size()
		s.Slowest, s.SlowestModule, s.SlowestVersion = took, strings.Clone(request.Module), strings.Clone(request.Version)
		t.bytes += s.size()
	}
	if s.unsettled--; s.unsettled == 0 {
		t.rest(s)
	}
}

// count adds the exchange to the hit ratio, if it says anything about it.
func (s *tracked) count(x *cache.Settled) {
	if !x.Begin.Request.Operation.IsFile() || x.Verdict.Outcome != cache.OK {
		return
	}
	switch x.Verdict.Result {
	case exchange.Hit, exchange.Revalidated, exchange.Stale, exchange.Coalesced:
		s.Hits++
	case exchange.Miss:
		s.Misses++
	}
}

func (t *Tracker) close(s *tracked) {
	t.stir(s)
	delete(t.open, sessionKey{s.ID, s.Root})
	t.bytes -= s.size()
	t.tell(&s.Closed)
}

// settleAll gives up what the run before left without a verdict: the exchanges
// themselves were interrupted and are settled, so what is left was lost from the
// journal. The sessions go on, as their clients do, on other connections.
func (t *Tracker) settleAll(now exchange.Time) {
	for _, s := range t.inOrder() {
		if s.idle == nil {
			s.unsettled = 0
			t.rest(s)
		}
		if s.wait == waitsConnection {
			t.leave(s, now)
		}
	}
}

// closeAll closes every session in the order of their opening: their run is over.
func (t *Tracker) closeAll() {
	for _, s := range t.inOrder() {
		t.close(s)
	}
}

// inOrder returns the open sessions in the order of their opening.
func (t *Tracker) inOrder() []*tracked {
	return slices.SortedFunc(maps.Values(t.open), func(a, b *tracked) int { return cmp.Compare(a.number, b.number) })
}
