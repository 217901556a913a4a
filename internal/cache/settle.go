// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// Settled is an exchange with its verdict, in the order of telling.
type Settled struct {
	// Run is the run in which the exchange began.
	Run string
	// Begin and End are its facts. End is made up where the run ended first.
	Begin *exchange.Begin
	End   *exchange.End
	// Verdict is final.
	Verdict Verdict
}

// Settler takes records in journal order and hands on each exchange once its
// verdict is final: at its end where the evidence is conclusive, else at the
// first record whose time is at or past the end of its settling window.
// What it hands on, and in which order, depends on the records alone.
type Settler struct {
	window time.Duration
	tell   func(Settled)
	join   *join
	habits *habits
	parts  *downloads

	run  string
	last exchange.Time
	open map[uint64]*exchange.Begin
	// doubtful are open exchanges whose end may be among what was damaged.
	doubtful map[uint64]bool
	order    []uint64 // the open ones' ids and some that are closed, oldest first
	waiting  []waiting
	bytes    int64 // of what waits
}

// waiting is an exchange in its settling window. Windows have one length, so
// they close in the order in which they opened.
type waiting struct {
	closes exchange.Time
	s      Settled
}

// maxWaiting bounds what waits in settling windows, in bytes: beyond it the windows
// that close first are closed early, with what is known by then.
const maxWaiting = 8 << 20

func (w *waiting) size() int64 { return w.s.Begin.Size() + w.s.End.Size() }

// NewSettler returns a Settler that waits for window after an exchange's end,
// where something can come that changes the verdict, and calls tell for each
// settled exchange.
func NewSettler(window time.Duration, settings JoinSettings, tell func(Settled)) *Settler {
	return &Settler{window: window, tell: tell, join: newJoin(settings), habits: newHabits(), parts: newDownloads(), open: make(map[uint64]*exchange.Begin)}
}

// Add takes the next record.
func (s *Settler) Add(r exchange.Record) {
	switch r.Kind {
	case exchange.KindStart:
		if !r.Start.Continues {
			s.interrupt()
		}
		s.run = r.Start.Run
	case exchange.KindBegin:
		s.open[r.Begin.ID] = r.Begin
		s.order = append(s.order, r.Begin.ID)
		s.join.begin(r.Begin)
		if r.Begin.Side == exchange.Ingress {
			s.habits.begin(r.Begin)
		}
	}
	s.settle(r.Time)
	s.last = max(s.last, r.Time)
	if r.Kind == exchange.KindEnd {
		s.end(r.End)
	}
}

// Damaged says that records couldn't be read which had been told from in an earlier
// run: exchanges that are open may have been told with their true end. They aren't
// told as interrupted when the next run starts.
func (s *Settler) Damaged() {
	s.doubtful = make(map[uint64]bool, len(s.open))
	for id := range s.open {
		s.doubtful[id] = true
	}
}

// Waiting reports whether an exchange waits for time to pass.
func (s *Settler) Waiting() bool { return len(s.waiting) > 0 }

// Now returns the time by the records: the latest that any of them had.
func (s *Settler) Now() exchange.Time { return s.last }

// Open returns how many exchanges have begun and not ended.
func (s *Settler) Open() int { return len(s.open) }

func (s *Settler) end(e *exchange.End) {
	b := s.open[e.ID]
	if b == nil {
		return // its begin was dropped from a full journal, and counted there
	}
	delete(s.open, e.ID)
	s.trim()
	s.join.ended(b, e)
	if b.Side == exchange.Ingress {
		s.habits.ended(b, e)
	}
	settled := Settled{Run: s.run, Begin: b, End: e}
	if s.window <= 0 || !s.canChange(b, e) {
		s.judge(settled)
		return
	}
	s.wait(waiting{closes: e.Time.Add(s.window), s: settled})
	s.settle(s.last)
}

// canChange reports whether what comes later can change the verdict: a fetch at
// the egress, or a question that makes a "not found" a probe.
func (s *Settler) canChange(b *exchange.Begin, e *exchange.End) bool {
	if b.Side == exchange.Egress || e.Disposition == exchange.Refused || e.Disposition == exchange.Interrupted {
		return false
	}
	return s.join.settings.Egress && e.Cache.Embedded == "" || canBeProbe(b, e)
}

func (s *Settler) wait(w waiting) {
	s.waiting = append(s.waiting, w)
	s.bytes += w.size()
}

func (s *Settler) settle(now exchange.Time) {
	n := 0
	for n < len(s.waiting) && (s.waiting[n].closes <= now || s.bytes > maxWaiting) {
		s.bytes -= s.waiting[n].size()
		s.judge(s.waiting[n].s)
		n++
	}
	clear(s.waiting[:n]) // what they held can be collected
	s.waiting = s.waiting[n:]
}

// interrupt ends what the previous run left open, at the time of its last record.
func (s *Settler) interrupt() {
	for _, w := range s.waiting {
		s.judge(w.s)
	}
	s.waiting, s.bytes = nil, 0
	for _, id := range s.order {
		if b := s.open[id]; b != nil && !s.doubtful[id] {
			e := &exchange.End{ID: id, Time: max(s.last, b.Time), Disposition: exchange.Interrupted}
			s.judge(Settled{Run: s.run, Begin: b, End: e})
		}
	}
	clear(s.open)
	s.order, s.doubtful = nil, nil
	s.join.reset(s.last)
	s.habits = newHabits()
}

// judge makes the verdict final and hands the exchange on.
func (s *Settler) judge(x Settled) {
	x.End.Complete(x.Begin)
	x.Verdict = Judge(x.End)
	if x.Begin.Side == exchange.Ingress {
		s.join.judge(x.Begin, x.End, &x.Verdict)
	}
	silence(&x.Verdict, x.Begin)
	if x.Begin.Side == exchange.Ingress {
		s.habits.judge(x.Begin, x.End, &x.Verdict)
		s.parts.judge(x.Begin, x.End, &x.Verdict)
	}
	s.tell(x)
}

// trim forgets the ids of ended exchanges at the front of the order, and all of
// them once they outnumber the open ones.
func (s *Settler) trim() {
	for len(s.order) > 0 && s.open[s.order[0]] == nil {
		s.order = s.order[1:]
	}
	if len(s.order) > 2*len(s.open)+64 {
		kept := make([]uint64, 0, len(s.open))
		for _, id := range s.order {
			if s.open[id] != nil {
				kept = append(kept, id)
			}
		}
		s.order = kept
	}
}
