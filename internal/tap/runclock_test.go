// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/session/summary"
)

// setWall lets the wall's clock of an engine that wasn't started be set.
func setWall(e *Engine) (ahead *atomic.Int64) {
	ahead = new(atomic.Int64)
	read := e.clock.read
	e.clock.read = func() (exchange.Time, time.Duration) {
		wall, since := read()
		return wall.Add(time.Duration(ahead.Load())), since
	}
	return ahead
}

// TestTheWallIsFollowed: after a suspend, or when the wall's clock is set, times are right
// again within a second; what takes a time takes that long, and no series stands still.
func TestTheWallIsFollowed(t *testing.T) {
	for name, by := range map[string]time.Duration{"suspended for a night": 9 * time.Hour, "set back": -3 * time.Hour, "set a little": -20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const gap = 5 * time.Second
				traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
				e := newEngine(t, func(s *Settings) {
					s.Sessions = session.Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: 10}
					s.Consumers = Consumers{Traces: traces, Metrics: metrics, Logs: logs}
				})
				ahead := setWall(e)
				e.Start()
				begun := time.Now()
				build := exchange.Session{ID: exchange.TraceID{1}, Inferred: true, Root: exchange.SpanID{1}}
				ask := func(path string, takes time.Duration, meanwhile func()) {
					b := &exchange.Begin{Method: "GET", Path: path, Scheme: "http", Session: build}
					b.Span = exchange.Span{TraceID: build.ID, SpanID: session.NewSpanID(), ParentID: build.Root}
					e.Begin(b)
					meanwhile()
					time.Sleep(takes)
					e.End(b, &exchange.End{FirstByte: e.Now(), Status: 200, Cache: exchange.CacheEvidence{Embedded: exchange.Hit}})
				}
				ask("/m/@v/v1.0.0.zip", time.Second, func() {})
				ask("/m/@v/v1.0.1.zip", time.Second, func() { ahead.Store(int64(by)) })
				time.Sleep(time.Second)
				later := time.Now()
				ask("/m/@v/v1.0.2.zip", time.Second, func() {})
				time.Sleep(gap + summary.Slack + time.Second)
				shown := len(metrics.AllMetrics())
				for range 3 {
					ask("/m/@v/v1.0.3.zip", time.Second, func() {})
					time.Sleep(2 * time.Second)
				}
				e.Shutdown(t.Context())

				start := map[string]time.Time{}
				for _, r := range records(logs.AllLogs()) {
					path, _ := r.Attributes().Get("url.path")
					took, _ := r.Attributes().Get("event.duration")
					assert.Equal(t, int64(time.Second), took.Int(), path.Str())
					if start[path.Str()].IsZero() {
						start[path.Str()] = r.Timestamp().AsTime()
					}
				}
				assert.Equal(t, begun.UTC(), start["/m/@v/v1.0.0.zip"])
				assert.Equal(t, begun.Add(time.Second).UTC(), start["/m/@v/v1.0.1.zip"], "as it was when it began")
				assert.Equal(t, later.Add(by).UTC(), start["/m/@v/v1.0.2.zip"])

				roots, _ := roots(traces.AllTraces())
				require.Len(t, roots, 2)
				assert.Equal(t, begun.UTC(), roots[0].StartTimestamp().AsTime(), "of one session, though its requests are far apart by the wall")
				assert.Equal(t, 4*time.Second, roots[0].EndTimestamp().AsTime().Sub(roots[0].StartTimestamp().AsTime()))
				assert.WithinDuration(t, time.Now().Add(by), roots[1].EndTimestamp().AsTime(), time.Minute)

				all := metrics.AllMetrics()
				require.Greater(t, len(all), shown)
				before := pcommon.Timestamp(0)
				for _, m := range all {
					if count(m, "http.server.request.duration") > 0 {
						assert.Greater(t, at(m), before, "no snapshot is older than the one before")
						before = at(m)
					}
				}
				if by > 0 {
					assert.WithinDuration(t, time.Now().Add(by), at(all[len(all)-1]).AsTime(), time.Second)
				}
				assert.Equal(t, uint64(6), count(all[len(all)-1], "http.server.request.duration"))
			})
		})
	}
}

// TestARunClockNeverStops: whatever the wall's says.
func TestARunClockNeverStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, wall := newRunClock(), time.Duration(0)
		read := c.read
		c.read = func() (exchange.Time, time.Duration) {
			now, since := read()
			return now.Add(wall), since
		}
		last := c.now()
		for _, set := range []time.Duration{0, time.Hour, time.Hour + step/2, -time.Hour, 0} {
			wall = set
			time.Sleep(look)
			assert.Equal(t, last.Add(look), c.now())
			last = c.now()
			assert.InDelta(t, set, c.ahead(last), float64(step)-1)
			assert.Equal(t, last.Add(c.ahead(last)), c.wall())
		}
		time.Sleep(look / 2)
		wall = time.Minute
		assert.Zero(t, c.ahead(c.now()), "it isn't looked at all the time")
	})
}

func records(all []plog.Logs) (records []plog.LogRecord) {
	for _, l := range all {
		for _, r := range l.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			records = append(records, r)
		}
	}
	return records
}

// at is the time of a snapshot.
func at(md pmetric.Metrics) (at pcommon.Timestamp) {
	for _, sm := range md.ResourceMetrics().At(0).ScopeMetrics().All() {
		for _, m := range sm.Metrics().All() {
			if m.Type() == pmetric.MetricTypeHistogram {
				at = m.Histogram().DataPoints().At(0).Timestamp()
			}
		}
	}
	return at
}

// TestWholeExchangesOfNow are told of by somebody else, by the wall, while the engine's time
// passes by itself: sessions close by it after a suspend as before.
func TestWholeExchangesOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gap = 5 * time.Second
		traces := new(consumertest.TracesSink)
		e := lines(t, gap, func(s *Settings) { s.Clock, s.Consumers.Traces = Wall, traces })
		ahead := setWall(e)
		e.Start()
		s := open(t, e, "stream")
		for n, set := range []time.Duration{0, 9 * time.Hour, -9 * time.Hour} {
			ahead.Store(int64(set))
			time.Sleep(time.Second)
			wall := time.Now().Add(set)
			for i := range 3 {
				l := line{client: "10.0.0.1", begin: wall.Add(time.Duration(i-3) * 100 * time.Millisecond), path: zipPath}
				l.end = l.begin.Add(50 * time.Millisecond)
				require.NoError(t, l.tell(t.Context(), s, i))
			}
			time.Sleep(gap + summary.Slack + time.Second)
			sessions, requests := roots(traces.AllTraces())
			require.Len(t, sessions, n+1, "time alone closes it")
			assert.Equal(t, wall.Add(-300*time.Millisecond).UTC(), sessions[n].StartTimestamp().AsTime())
			all := requests[sessions[n].TraceID().String()]
			require.Len(t, all, 3)
			assert.Equal(t, wall.Add(-100*time.Millisecond).UTC(), all[2].StartTimestamp().AsTime())
		}
		e.Shutdown(t.Context())
	})
}
