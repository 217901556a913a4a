// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package phase measures what the time of one exchange goes by with. At each instant
// at most one phase counts, so that the parts add up to the whole however much of it
// is done at once.
package phase

import (
	"context"
	"sync"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// Clock splits the time of one exchange among phases. Its methods may be called
// concurrently, and on nil, which measures nothing; the zero value is ready once
// [Clock.Start] was called.
//
// Of the phases that run at an instant the innermost counts, see [exchange.Phase].
// So work that hides behind a download costs nothing as long as the download goes on.
//
// What takes time is entered. Between phases an exchange is handed on, which takes
// microseconds; where it takes [idle] or more, what it waited for is a processor, and
// that is [exchange.PhaseQueue].
type Clock struct {
	now func() exchange.Time

	mu      sync.Mutex
	parts   [exchange.Phases]exchange.Part
	running [exchange.Phases]int32 // how often each was entered and not left
	counts  int                    // the index of what counts; -1: nothing runs
	since   exchange.Time          // until when time is counted; zero: none is yet
	over    bool
}

// idle is from when on it is told that nothing ran.
const idle = time.Millisecond

// Start sets the run's clock. It is called once, before all else.
func (c *Clock) Start(now func() exchange.Time) { c.now, c.counts = now, -1 }

// Now is the time by the run's clock; without one, that of the wall.
func (c *Clock) Now() exchange.Time {
	if c == nil || c.now == nil {
		return exchange.Time(time.Now().UnixNano())
	}
	return c.now()
}

// Running is a phase that was entered. It is left once.
type Running struct {
	clock *Clock
	phase exchange.Phase
}

// Enter lets p run from now on until it is left:
//
//	defer clock.Enter(exchange.PhaseSend).Leave()
func (c *Clock) Enter(p exchange.Phase) Running {
	if c == nil || c.now == nil {
		return Running{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return Running{}
	}
	now := c.count()
	if part := &c.parts[p]; part.Start == 0 {
		part.Phase, part.Start = p, now
	}
	c.running[p]++
	c.counts = max(c.counts, int(p))
	return Running{clock: c, phase: p}
}

// Leave ends what Enter began.
func (r Running) Leave() {
	c := r.clock
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.parts[r.phase].End = c.count()
	c.running[r.phase]--
	for c.counts >= 0 && c.running[c.counts] == 0 {
		c.counts--
	}
}

// Spent counts the time from start until now to p; a start of zero isn't known, and
// nothing is. Nothing was entered since start.
func (c *Clock) Spent(p exchange.Phase, start exchange.Time) {
	if start == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = c.now()
	c.add(p, start, c.since)
}

// add counts the time from start to end to p; c.mu is held.
func (c *Clock) add(p exchange.Phase, start, end exchange.Time) {
	part := &c.parts[p]
	if part.Start == 0 {
		part.Phase, part.Start = p, start
	}
	part.End, part.Duration = end, part.Duration+end.Sub(start)
}

// count gives the time since the last change to the phase that counts; c.mu is held.
func (c *Clock) count() exchange.Time {
	now := c.now()
	switch {
	case c.counts >= 0:
		c.parts[c.counts].Duration += now.Sub(c.since)
	case c.since != 0 && now.Sub(c.since) >= idle:
		c.add(exchange.PhaseQueue, c.since, now)
	}
	c.since = now
	return now
}

// Parts ends the measuring and returns its result, in the order of the phases; a phase
// that never ran has no duration. What still runs, a fetch that the client didn't wait
// for, is counted until now and no further.
func (c *Clock) Parts() []exchange.Part {
	if c == nil || c.now == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		now := c.count()
		for p := range c.running {
			if c.running[p] > 0 {
				c.parts[p].End = now
			}
		}
		c.over = true
	}
	return c.parts[:]
}

type clockKey struct{}

// NewContext returns a context whose work is measured by c.
func NewContext(ctx context.Context, c *Clock) context.Context {
	return context.WithValue(ctx, clockKey{}, c)
}

// FromContext returns the clock of ctx; nil, on which all methods work, if none.
func FromContext(ctx context.Context) *Clock {
	c, _ := ctx.Value(clockKey{}).(*Clock)
	return c
}
