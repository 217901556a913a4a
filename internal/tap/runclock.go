// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"sync/atomic"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// runClock is the time of a run: the wall's at its beginning, and from then on what the
// monotonic clock says. It never goes back, nor ahead: what it measures is as long as it
// took, and the journal's times only rise. But the wall's clock is set, and goes on while
// the machine sleeps; how far it is ahead is looked up again and again, and stands in
// each begin record that it matters for.
type runClock struct {
	began time.Time // with its monotonic reading
	start exchange.Time
	// read returns the wall's time and, of the same instant, the time since began.
	read func() (wall exchange.Time, since time.Duration)

	looked atomic.Int64 // when the wall was looked at last, by this clock
	offset atomic.Int64
}

const (
	// look is the time between two looks at the wall's clock.
	look = 250 * time.Millisecond
	// step is what the wall's clock differs by at least before it is believed that it was
	// set: two readings of one instant aren't quite of one instant.
	step = time.Millisecond
)

func newRunClock() *runClock {
	c := &runClock{began: time.Now()}
	c.start = exchange.Time(c.began.UnixNano())
	c.looked.Store(int64(c.start))
	c.read = func() (exchange.Time, time.Duration) {
		now := time.Now()
		return exchange.Time(now.UnixNano()), now.Sub(c.began)
	}
	return c
}

func (c *runClock) now() exchange.Time { return c.start.Add(time.Since(c.began)) }

// ahead returns how far the wall's clock is ahead at now.
func (c *runClock) ahead(now exchange.Time) time.Duration {
	if looked := c.looked.Load(); now.Sub(exchange.Time(looked)) >= look && c.looked.CompareAndSwap(looked, int64(now)) {
		wall, since := c.read()
		offset := wall.Sub(c.start.Add(since))
		if (offset - time.Duration(c.offset.Load())).Abs() >= step {
			c.offset.Store(int64(offset))
		}
	}
	return time.Duration(c.offset.Load())
}

// wall is the time as everybody else knows it.
func (c *runClock) wall() exchange.Time {
	now := c.now()
	return now.Add(c.ahead(now))
}
