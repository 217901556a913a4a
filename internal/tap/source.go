// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/session"
)

// ErrStopped is returned by what waits when the engine is shut down.
var ErrStopped = errors.New("the engine is shut down")

// errMark is for marks and names that no record can keep.
var errMark = fmt.Errorf("a source's name has at most %d bytes, and at least one; its mark at most %d", exchange.MaxSource, exchange.MaxMark)

// Source tells an engine of whole exchanges: a log file, for example. What it tells of
// and how far it is read then stand in one record, so that a crash comes between no
// two of them. A receiver that reads several files has a source for each. One goroutine
// at a time uses a Source.
type Source struct {
	engine  *Engine
	name    string
	reached exchange.Time // nothing that ended before is to come
}

// sources are the open ones.
type sources struct {
	ready chan struct{} // closed once all is read that earlier runs left

	mu    sync.Mutex
	open  map[string]*Source
	used  bool          // one was opened
	over  bool          // the engine is shut down
	clock exchange.Time // the watermark; it never goes back
	last  exchange.Time // the end of the last exchange of any
	marks *marks        // what the journal has
}

// Source opens the source of that name: whatever tells it from the receiver's others,
// and finds it again in the next run, such as a path or a file's identity. It waits until
// what earlier runs left is read. The error is [ErrStopped], that of ctx, or a fault of
// the caller's: a name too long, or a source that is open.
func (e *Engine) Source(ctx context.Context, name string) (*Source, error) {
	if m := (exchange.Mark{Source: name}); name == "" || !m.Fits() {
		return nil, errMark
	}
	if err := e.caughtUp(ctx); err != nil {
		return nil, err
	}
	x := &e.sources
	if err := x.lock(); err != nil {
		return nil, err
	}
	defer x.mu.Unlock()
	if x.open[name] != nil {
		return nil, fmt.Errorf("source %s is open", name)
	}
	s := &Source{engine: e, name: name}
	x.open[name], x.used = s, true
	return s, nil
}

// Marks returns how far all sources are read that the journal, or the checkpoint, has
// heard of, the one heard of last at the end: at most 1024, the others are forgotten. It
// waits, and fails, as [Engine.Source] does.
func (e *Engine) Marks(ctx context.Context) ([]exchange.Mark, error) {
	if err := e.caughtUp(ctx); err != nil {
		return nil, err
	}
	e.sources.mu.Lock()
	defer e.sources.mu.Unlock()
	return e.sources.marks.all(), nil
}

// caughtUp waits until what earlier runs left is read.
func (e *Engine) caughtUp(ctx context.Context) error {
	select {
	case <-e.sources.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-e.stop:
		return ErrStopped
	}
}

// lock locks x for what is appended: nothing is once the engine is shut down.
func (x *sources) lock() error {
	x.mu.Lock()
	if x.over {
		x.mu.Unlock()
		return ErrStopped
	}
	return nil
}

// close ends what waits, and what would append.
func (x *sources) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
}

// resume lets sources go on behind what earlier runs left.
func (x *sources) resume(known *marks, now exchange.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.marks, x.clock = newMarks(known.all()), now
	close(x.ready)
}

// Mark returns where the reading goes on: the mark of the last exchange of this source
// that the journal has, from whatever run. Nil: there is none.
func (s *Source) Mark() []byte {
	s.engine.sources.mu.Lock()
	defer s.engine.sources.mu.Unlock()
	return s.engine.sources.marks.at(s.name)
}

// Exchange records a request that is over, and that the source is read up to mark. It
// sets b's and end's ID; all times are the caller's, by the wall. b's Span is the trace
// context that the client sent, zero if none is known; what was chosen for the request
// stands there after the call, and in b's Session.
//
// Exchange waits while the journal is full. An error says that nothing is recorded: it is
// [ErrStopped], that of ctx, or that a record can't keep the mark.
func (s *Source) Exchange(ctx context.Context, who session.Key, b *exchange.Begin, end *exchange.End, mark []byte) error {
	r := exchange.Record{Begin: b, End: end, Mark: exchange.Mark{Source: s.name, At: mark}}
	if !r.Mark.Fits() {
		return errMark
	}
	e := s.engine
	if err := e.room(ctx); err != nil {
		return err
	}
	end.Time = max(end.Time, b.Time)
	if err := e.sources.lock(); err != nil {
		return err
	}
	defer e.sources.mu.Unlock()
	if e.passes() {
		r.Begin, r.End = exchange.OnRun(b, end, e.clock.ahead(e.now()))
	}
	if table := e.settings.Table; table != nil && b.Side == exchange.Ingress {
		b.Span, b.Session, r.SessionKey = table.Whole(r.Begin.Time, r.End.Time, e.reached(), who, b.Span)
	} else {
		b.Span = session.Continue(b.Span)
	}
	b.ID = e.ids.Add(1)
	end.ID = b.ID
	r.Begin.Span, r.Begin.Session, r.Begin.ID, r.End.ID = b.Span, b.Session, b.ID, b.ID
	s.advance(end.Time)
	r.Time = e.reached()
	buf := buffers.Get().(*[]byte)
	*buf = exchange.AppendExchange((*buf)[:0], &r)
	e.settings.Journal.Append(*buf)
	buffers.Put(buf)
	e.sources.marks.set(&r.Mark)
	e.rouse()
	return nil
}

// Reach says that the source is read up to mark (nil: as far as before), and that no
// request will be told of that ended before t. Who has come to the end of a file that is
// being written says so again and again, with the time by the wall less what lines may
// be late by: else the last sessions wait for the next line. It waits, and fails, as
// [Source.Exchange] does.
func (s *Source) Reach(ctx context.Context, t exchange.Time, mark []byte) error {
	m := exchange.Mark{Source: s.name, At: mark}
	if !m.Fits() {
		return errMark
	}
	e := s.engine
	if err := e.room(ctx); err != nil {
		return err
	}
	if err := e.sources.lock(); err != nil {
		return err
	}
	defer e.sources.mu.Unlock()
	before := e.sources.clock
	s.advance(t)
	switch {
	case mark != nil:
		e.sources.marks.set(&m)
		e.settings.Journal.Append(exchange.AppendMark(nil, e.reached(), m))
	case e.sources.clock > before && e.waits.Load():
		e.settings.Journal.Append(exchange.AppendTick(nil, e.reached()))
	default:
		return nil
	}
	e.rouse()
	return nil
}

// Finish says that nothing comes from the source any more: it is read to its end, and
// nobody writes to it. The others don't wait for it. Once an engine whose sources are
// all finished is shut down, everything is over, open sessions too. A source that isn't
// finished goes on in the next run.
func (s *Source) Finish() {
	x := &s.engine.sources
	x.mu.Lock()
	defer x.mu.Unlock()
	x.last = max(x.last, s.reached)
	delete(x.open, s.name)
}

// advance notes that nothing is to come from s that ended before t. Nothing can have
// been written that isn't over yet: a time beyond the wall's is somebody else's clock,
// or an error, and mustn't close what others have open.
func (s *Source) advance(t exchange.Time) {
	x := &s.engine.sources
	s.reached = max(s.reached, min(t, s.engine.clock.wall()))
	x.last = max(x.last, s.reached)
	slowest := s.reached
	for _, other := range x.open {
		slowest = min(slowest, other.reached)
	}
	x.clock = max(x.clock, slowest)
}

// reached is the time by the engine's clock; the caller holds the sources' lock.
func (e *Engine) reached() exchange.Time {
	if e.passes() {
		return e.now()
	}
	return e.sources.clock
}

func (x *sources) now() exchange.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.clock
}

// end returns when the last exchange of all sources ended, and whether all is over.
func (x *sources) end() (exchange.Time, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return max(x.last, x.clock), x.used && len(x.open) == 0
}

// again is the time between two looks for room in a full journal.
const again = 10 * time.Millisecond

// room waits until the journal has room for a record without dropping one that isn't
// told yet.
func (e *Engine) room(ctx context.Context) error {
	for e.settings.Journal.Status().Room < journal.MaxRecord {
		e.pressed.Store(true)
		e.rouse()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.stop:
			return ErrStopped
		case <-time.After(again):
		}
	}
	return ctx.Err()
}
