// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"math"
	"time"

	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/eventid"
	"github.com/modtap/modtap/internal/exchange"
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
			e.checkpointAtTimes()
			e.pause(gather)
		case e.passes() && e.settler.Waiting():
			time.Sleep(tick) // a window closes by time alone, at a stop too
			e.settings.Journal.Append(exchange.AppendTick(nil, e.now()))
		case e.stopped() && !e.ended:
			e.conclude()
		case e.stopped():
			e.checkpoint()
			for _, t := range e.tellers {
				close(t.closed)
			}
			return
		case e.pressed.Swap(false): // what is told makes room
			e.pause(gather)
			e.checkpointAtTimes()
		case e.passes() && e.tracker.Open() > 0:
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
	defer func() { e.waits.Store(e.settler.Waiting() || e.tracker.Open() > 0) }()
	last, lost := e.settings.Journal.Read(e.read, e.record)
	e.read = last
	if lost != (journal.Loss{}) {
		e.self.dropped(int64(lost.Full), "journal", reasonFull)
		e.self.dropped(int64(lost.Damaged), "journal", reasonDamaged)
		e.log.Error("records of the journal are lost", zap.Uint64("full", lost.Full), zap.Uint64("damaged places", lost.Damaged))
	}
	return e.read != before
}

func (e *Engine) record(p journal.Position, rec []byte) {
	if rec == nil {
		e.damaged(p)
		return
	}
	e.read = p
	r, err := exchange.Decode(rec)
	if err != nil {
		e.self.dropped(1, "journal", reasonDamaged)
		e.log.Error("malformed journal record", zap.Uint64("position", uint64(p)), zap.Error(err))
		return
	}
	e.add(r)
	e.marks.set(&r.Mark)
	switch {
	case r.Kind == exchange.KindStart && r.Start.Run == e.run:
		e.judgeBy(e.settings.judging().encode()) // they may be longer than what a record keeps
		e.live = true
		e.sources.resume(e.marks, e.settler.Now())
		e.batch = append(e.batch, e.mark(queued{live: true}))
	case r.Kind == exchange.KindStart:
		e.judgeBy(r.Start.Settings)
	case !r.Kind.Known() && !e.newer:
		e.newer = true
		e.log.Warn("the journal holds records that this Modtap doesn't know: a newer one wrote them; what they say is left out", zap.Uint8("kind", uint8(r.Kind)))
	}
	if len(e.batch) == 0 {
		return
	}
	for _, t := range e.tellers {
		t.add(e.batch...)
	}
	clear(e.batch)
	e.batch = e.batch[:0]
}

// add hands a record to those who judge: a whole exchange as a begin and an end, both at
// the time when it became known.
func (e *Engine) add(r exchange.Record) {
	if r.Kind != exchange.KindExchange {
		e.settler.Add(r)
		e.tracker.Add(r)
		return
	}
	if e.settings.Table != nil && !e.live {
		e.settings.Table.Resume(r.SessionKey, r.Begin, r.End)
	}
	e.add(exchange.Record{Kind: exchange.KindBegin, Time: r.Time, Begin: r.Begin})
	e.add(exchange.Record{Kind: exchange.KindEnd, Time: r.Time, End: r.End})
}

// damaged takes it that something can't be read from p on. In what earlier runs
// left, that shifts the order of telling: what is told from here on gets numbers
// that were never given. If it was told already, the counters lack it by now, and
// exchanges that seem to be unfinished may have ended.
func (e *Engine) damaged(p journal.Position) {
	if e.live || e.settings.Dir == "" {
		return
	}
	e.seq, e.byPosition = max(e.seq, e.toldSeq), true
	if p >= e.toldAt {
		return
	}
	e.settler.Damaged()
	if metrics, ok := e.tellers[metricsSignal]; ok {
		metrics.add(e.mark(queued{anew: true}))
	}
}

// settled is called by the settler, in the order of telling.
func (e *Engine) settled(s cache.Settled) {
	told := &signal.Told{Settled: s, Request: s.Begin.Request}
	told.Begin, told.End = exchange.OnWall(s.Begin, s.End)
	e.emit(told)
	told.EventID = eventid.ID{Run: s.Run, Number: e.seq}.String()
	e.tracker.Settled(&s)
}

// closed is called by the tracker, in the order of telling.
func (e *Engine) closed(s *session.Closed) {
	s.Start, s.End = s.Start.Add(s.Offset), s.End.Add(s.Offset)
	e.emit(&signal.Told{Session: s})
}

func (e *Engine) emit(told *signal.Told) {
	e.seq++
	e.batch = append(e.batch, e.mark(queued{told: told}))
}

// mark sets where in the order of telling item stands.
func (e *Engine) mark(item queued) queued {
	item.place = place{seq: e.seq, at: e.read, nth: math.MaxUint32} // a mark stands behind all
	if item.told != nil {
		item.nth = uint32(len(e.batch)) + 1
	}
	item.byPosition = e.byPosition
	return item
}

// checkpointAtTimes makes a checkpoint if the last one was long enough ago.
func (e *Engine) checkpointAtTimes() {
	if time.Since(e.kept) >= e.spacing {
		e.checkpoint()
	}
}

// checkpoint makes a checkpoint of what is understood, to be saved once it is told.
func (e *Engine) checkpoint() {
	if e.read == e.keptAt || e.keeper.pending.Load() > 0 && !e.ended {
		return
	}
	e.keeper.pending.Add(1)
	began := time.Now()
	c := &checkpoint{Position: e.read, Seq: e.seq, Judging: e.judging, Marks: e.marks.all(), complete: e.keeper.complete}
	if e.settings.Dir != "" {
		if err := e.fill(c); err != nil {
			e.log.Error("what is known of exchanges can't be kept", zap.Error(err))
			c.failed.Store(true)
		}
	}
	c.waiting.Store(int32(len(e.tellers)) + 1)
	for _, t := range e.tellers {
		t.add(e.mark(queued{checkpoint: c}))
	}
	c.pass()
	e.kept, e.keptAt = time.Now(), e.read
	e.spacing = max(checkpointInterval, checkpointShare*time.Since(began))
}

func (e *Engine) fill(c *checkpoint) (err error) {
	if c.Settler, err = e.settler.MarshalBinary(); err != nil {
		return err
	}
	if c.Tracker, err = e.tracker.MarshalBinary(); err != nil {
		return err
	}
	if e.settings.Table != nil {
		c.Sessions, err = e.settings.Table.Save(e.now(), e.over)
	}
	return err
}
