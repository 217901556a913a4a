// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/signal"
)

const (
	// gather is how long records are left to gather before they are read, which
	// spares a wake-up for each request.
	gather = 50 * time.Millisecond
	// tick is the time between two tick records while an exchange waits.
	tick = 100 * time.Millisecond
	// sessionTick is the same while nothing but the end of a session is waited for.
	sessionTick = 500 * time.Millisecond
)

// understand reads the journal in order until stop, and then to its end.
func (e *Engine) understand() {
	for {
		switch {
		case e.readOn():
			e.pause(gather)
		case e.settler.Waiting():
			time.Sleep(tick) // a window closes by time alone, at a stop too
			e.settings.Journal.Append(exchange.AppendTick(nil, e.now()))
		case e.stopped() && !e.ended:
			e.ended = true
			e.settings.Journal.Append(exchange.AppendStop(nil, e.now()))
		case e.stopped():
			for _, t := range e.tellers {
				close(t.closed)
			}
			return
		case e.tracker.Open() > 0:
			if e.sleep(time.After(sessionTick)) {
				e.settings.Journal.Append(exchange.AppendTick(nil, e.now()))
			}
		default:
			e.sleep(nil)
		}
	}
}

func (e *Engine) stopped() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

// pause waits for d, or until stop.
func (e *Engine) pause(d time.Duration) {
	select {
	case <-e.stop:
	case <-time.After(d):
	}
}

// sleep waits until an exchange ends, or until stop. It returns true if timeout
// came first.
func (e *Engine) sleep(timeout <-chan time.Time) bool {
	e.idle.Store(true)
	defer e.idle.Store(false)
	if e.readOn() { // what ended before idle was seen woke nobody
		return false
	}
	select {
	case <-e.stop:
	case <-e.wake:
	case <-timeout:
		return true
	}
	return false
}

// readOn reads what was appended, hands on what that settles and reports
// whether there was anything.
func (e *Engine) readOn() bool {
	before := e.read
	last, dropped := e.settings.Journal.Read(e.read, e.record)
	e.read = last
	if dropped > 0 {
		e.self.dropped(int64(dropped), "journal", "full")
	}
	told := e.read
	for _, t := range e.tellers {
		told = min(told, t.cursor())
	}
	e.settings.Journal.Release(told)
	return e.read != before
}

func (e *Engine) record(p journal.Position, rec []byte) {
	r, err := exchange.Decode(rec)
	if err != nil {
		e.self.dropped(1, "journal", "malformed")
		e.log.Error("malformed journal record", zap.Uint64("position", uint64(p)), zap.Error(err))
		return
	}
	e.settler.Add(r)
	e.tracker.Add(r)
	for _, t := range e.tellers {
		t.add(p, e.batch)
	}
	e.batch = e.batch[:0]
}

// settled is called by the settler, in the order of telling.
func (e *Engine) settled(s cache.Settled) {
	if s.Run != e.toldRun {
		e.toldRun, e.told = s.Run, 0
	}
	e.told++
	told := &signal.Told{
		Settled: s,
		EventID: fmt.Sprintf("%s-%010x", s.Run, e.told),
		Request: goproxy.Parse(s.Begin.Path),
	}
	e.batch = append(e.batch, told)
	e.tracker.Settled(&told.Settled, told.Request)
}

// closed is called by the tracker, in the order of telling.
func (e *Engine) closed(s *session.Closed) {
	e.batch = append(e.batch, &signal.Told{Session: s})
}
