// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/modtap/modtap/internal/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPartsAddUp: whatever is entered and left, nested, side by side or out of order,
// the parts are just the time in which anything ran, or nothing for long, and lie within
// it.
func TestPartsAddUp(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 12))
		now := exchange.Time(1e18)
		var c Clock
		c.Start(func() exchange.Time { return now })
		begin, busy := now, time.Duration(0)
		var running []Running
		passes := func() {
			step := time.Duration(rnd.Int64N(int64(1 + 3*idle*time.Duration(rnd.IntN(2)))))
			now = now.Add(step)
			if len(running) > 0 || step >= idle {
				busy += step
			}
		}
		c.Spent(exchange.PhaseJournal, begin)
		for range rnd.IntN(60) {
			passes()
			if i := rnd.IntN(len(running) + 1); i < len(running) && rnd.IntN(5) < 3 {
				running[i].Leave()
				running = append(running[:i], running[i+1:]...)
			} else {
				running = append(running, c.Enter(exchange.Phase(rnd.IntN(int(exchange.Phases)))))
			}
		}
		passes()
		var sum time.Duration
		for p, part := range c.Parts() {
			sum += part.Duration
			if part.Start == 0 {
				require.Zero(t, part.Duration, "seed %d", seed)
				continue
			}
			require.EqualValues(t, p, part.Phase)
			require.GreaterOrEqual(t, part.Start, begin, "seed %d", seed)
			require.LessOrEqual(t, part.End, now, "seed %d", seed)
			require.GreaterOrEqual(t, part.End, part.Start, "seed %d", seed)
			require.LessOrEqual(t, part.Duration, part.End.Sub(part.Start), "seed %d", seed)
			require.GreaterOrEqual(t, part.Duration, time.Duration(0), "seed %d", seed)
		}
		require.Equal(t, busy, sum, "seed %d", seed)

		// What is over stays as it is: a fetch may go on without its request.
		before := append([]exchange.Part(nil), c.Parts()...)
		now = now.Add(time.Hour)
		for _, r := range running {
			r.Leave()
		}
		c.Enter(exchange.PhaseSend).Leave()
		require.Equal(t, before, c.Parts())
	}
}

// TestTheInnerPhaseCounts: verifying that hides behind a download is the download's
// time; what is left of it is its own.
func TestTheInnerPhaseCounts(t *testing.T) {
	now := exchange.Time(1)
	var c Clock
	c.Start(func() exchange.Time { return now })
	download := c.Enter(exchange.PhaseDownload)
	verify := c.Enter(exchange.PhaseVerify)
	now += 100
	download.Leave()
	now += 7
	verify.Leave()
	parts := c.Parts()
	assert.EqualValues(t, 100, parts[exchange.PhaseDownload].Duration)
	assert.EqualValues(t, 7, parts[exchange.PhaseVerify].Duration)
	assert.EqualValues(t, 1, parts[exchange.PhaseVerify].Start)
	assert.EqualValues(t, 108, parts[exchange.PhaseVerify].End)
}

// TestSpent: what was begun before the clock was asked.
func TestSpent(t *testing.T) {
	now := exchange.Time(100)
	var c Clock
	c.Start(func() exchange.Time { return now })
	now = 150
	c.Spent(exchange.PhaseJournal, 110)
	c.Enter(exchange.PhaseSend)
	now = 175
	parts := c.Parts()
	assert.Equal(t, exchange.Part{Phase: exchange.PhaseJournal, Start: 110, End: 150, Duration: 40}, parts[exchange.PhaseJournal])
	assert.EqualValues(t, 25, parts[exchange.PhaseSend].Duration)
}

// TestStandingStillIsTold: an exchange that gets no processor between two phases, or
// behind the last, waits in the queue; what was before its begin is none of it.
func TestStandingStillIsTold(t *testing.T) {
	now := exchange.Time(1)
	var c Clock
	c.Start(func() exchange.Time { return now })
	now += exchange.Time(time.Second)
	c.Spent(exchange.PhaseJournal, now)
	now += exchange.Time(30 * time.Millisecond)
	c.Enter(exchange.PhaseSend).Leave()
	now += exchange.Time(idle - 1)
	c.Enter(exchange.PhaseSend).Leave()
	now += exchange.Time(20 * time.Millisecond)
	queue := c.Parts()[exchange.PhaseQueue]
	assert.Equal(t, 50*time.Millisecond, queue.Duration)
	assert.Equal(t, exchange.Time(1).Add(time.Second), queue.Start)
	assert.Equal(t, now, queue.End)
}

func TestNilMeasuresNothing(t *testing.T) {
	c := FromContext(t.Context())
	c.Enter(exchange.PhaseSend).Leave()
	assert.Nil(t, c.Parts())
	assert.InDelta(t, time.Now().UnixNano(), int64(c.Now()), float64(time.Minute))
	assert.Nil(t, new(Clock).Parts(), "one that wasn't started")
}

func TestConcurrentPhases(t *testing.T) {
	begin := time.Now()
	var c Clock
	c.Start(func() exchange.Time { return exchange.Time(1).Add(time.Since(begin)) })
	ctx := NewContext(t.Context(), &c)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				FromContext(ctx).Enter(exchange.Phase((i + j) % int(exchange.Phases))).Leave()
			}
		})
	}
	all.Go(func() { _ = c.Parts() })
	all.Wait()
	var sum time.Duration
	for _, p := range c.Parts() {
		sum += p.Duration
	}
	assert.LessOrEqual(t, sum, time.Since(begin))
}

func TestMeasuringDoesNotAllocate(t *testing.T) {
	begin := time.Now()
	var c Clock
	c.Start(func() exchange.Time { return exchange.Time(1).Add(time.Since(begin)) })
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		func() { defer c.Enter(exchange.PhaseSend).Leave() }()
	}))
}

func BenchmarkEnterLeave(b *testing.B) {
	begin := time.Now()
	var c Clock
	c.Start(func() exchange.Time { return exchange.Time(begin.Add(time.Since(begin)).UnixNano()) })
	b.ReportAllocs()
	for b.Loop() {
		c.Enter(exchange.PhaseSend).Leave()
	}
}
