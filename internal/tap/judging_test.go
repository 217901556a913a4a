// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

// someSettings returns settings that verdicts depend on.
func someSettings(r *rand.Rand) func(*Settings) {
	settle := []time.Duration{0, 20 * time.Millisecond, 150 * time.Millisecond}[r.IntN(3)]
	egress, shared := r.IntN(4) > 0, r.IntN(4) == 0
	memory := []time.Duration{time.Nanosecond, time.Hour}[r.IntN(2)]
	patterns := []string{"", "example.com/m1", "example.com", strings.Repeat("example.org/x,", 4000)}[r.IntN(4)]
	gap := []time.Duration{0, 10 * time.Millisecond, time.Hour}[r.IntN(3)]
	return func(s *Settings) {
		s.Settle, s.Join.Egress, s.Join.SharedStorage, s.Join.Memory, s.Join.UnseenPatterns = settle, egress, shared, memory, &patterns
		s.Sessions = session.Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: 100}
	}
}

// busy sends an engine some requests, some of which ask at the egress. It returns how
// many exchanges these are.
func busy(e *Engine, r *rand.Rand, n int) (exchanges int) {
	for i := range n {
		ours := exchange.Session{ID: exchange.TraceID{byte(1 + r.IntN(4))}, Inferred: true, Root: exchange.SpanID{1}}
		in := &exchange.Begin{Method: "GET", Path: fmt.Sprintf("/example.com/m%d/@v/v1.0.%d.mod", r.IntN(3), r.IntN(5)), Scheme: "http", Session: ours}
		in.Span = session.Continue(exchange.Span{})
		e.Begin(in)
		if r.IntN(3) == 0 {
			out := &exchange.Begin{Method: "GET", Side: exchange.Egress, Path: in.Path, Scheme: "http", Session: ours, Cause: in.Span.SpanID}
			out.Span = session.Continue(in.Span)
			e.Begin(out)
			e.End(out, &exchange.End{FirstByte: e.Now(), Status: 200})
			exchanges++
		}
		exchanges++
		e.End(in, &exchange.End{FirstByte: e.Now(), Status: []int{200, 200, 404}[r.IntN(3)]})
		if i%10 == 0 {
			time.Sleep(time.Duration(r.IntN(12)) * time.Millisecond)
		}
	}
	return exchanges
}

// TestARunIsJudgedByItsOwnSettings leaves what several runs, each with settings of its
// own, captured and told in part, to a next one: whatever that one's settings are, it
// tells the same of the rest, in the same order, with the same ids, and nothing twice.
func TestARunIsJudgedByItsOwnSettings(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 4))
		dir, told, captured := t.TempDir(), new(consumertest.LogsSink), 0
		for range 2 + r.IntN(2) {
			with := someSettings(r)
			batches := r.IntN(4)
			some, err := consumer.NewLogs(func(ctx context.Context, l plog.Logs) error {
				if batches == 0 {
					return errors.New("not now")
				}
				batches--
				return told.ConsumeLogs(ctx, l)
			})
			require.NoError(t, err)
			first := keptEngine(t, dir, func(s *Settings) {
				with(s)
				s.Hold, s.Consumers.Logs = time.Hour, some
			})
			first.Start()
			captured += busy(first, r, 60)
			if r.IntN(2) == 0 {
				time.Sleep(checkpointInterval) // time for a checkpoint
			}
			now, cancel := context.WithCancel(context.Background())
			cancel()
			first.Shutdown(now)
		}

		before := byID(t, told.AllLogs())
		var want map[string]string
		for i := range 3 {
			again := new(consumertest.LogsSink)
			with := someSettings(r)
			next := keptEngine(t, crash(t, dir), func(s *Settings) {
				with(s)
				s.Consumers.Logs = again
			})
			next.Start()
			next.Shutdown(context.Background())
			got := byID(t, again.AllLogs())
			if i == 0 {
				want = got
			}
			assert.Equal(t, want, got, "seed %d", seed)
		}
		spans := make(map[string]bool)
		for _, all := range []map[string]string{before, want} {
			for _, record := range all {
				assert.False(t, spans[span(record)], "told twice: %s", record)
				spans[span(record)] = true
			}
		}
		assert.Equal(t, captured, len(spans), "seed %d: told in all, %d of them before", seed, len(before)) //nolint:testifylint // Len prints them all
	}
}

// TestSettingsOfARunOutliveItsStart: a checkpoint has them once the journal has let the
// start record go.
func TestSettingsOfARunOutliveItsStart(t *testing.T) {
	dir := t.TempDir()
	first := keptEngine(t, dir, func(s *Settings) {
		s.Settle = time.Hour
		s.Consumers.Logs = new(consumertest.LogsSink)
	})
	want := first.settings.judging()
	first.Start()
	request(first, exchange.Hit)
	require.Eventually(t, func() bool {
		c, err := loadCheckpoint(dir)
		return err == nil && c != nil && len(c.Judging) > 0
	}, 10*time.Second, 10*time.Millisecond)
	left := crash(t, dir)
	first.Shutdown(context.Background())

	second := keptEngine(t, left, func(s *Settings) { s.Settle, s.Join.Egress = 0, false })
	assert.Equal(t, want.encode(), second.judging)
	second.Start()
	second.Shutdown(context.Background())
	assert.Equal(t, second.settings.judging().encode(), second.judging, "its own run has its own")
}
