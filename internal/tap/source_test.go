// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/session"
)

// lines returns an engine that is told of lines, with the sessions that gap makes.
func lines(t *testing.T, gap time.Duration, change func(*Settings)) *Engine {
	t.Helper()
	return newEngine(t, func(s *Settings) {
		s.Clock, s.MetricsInterval = Watermark, 10*time.Second
		s.Sessions = session.Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: 100}
		s.Table = session.NewTable(s.Sessions, []byte("secret"))
		change(s)
	})
}

// line is a request as a log tells of it.
type line struct {
	client     string
	begin, end time.Time
	status     int // zero: 200
	path       string
}

func (l line) tell(ctx context.Context, s *Source, mark int) error {
	who := session.Key{Address: netip.MustParseAddr(l.client), UserAgent: "Go-http-client/1.1"}
	b := &exchange.Begin{
		Time: exchange.Time(l.begin.UnixNano()), Method: "GET", Path: l.path, Scheme: "https",
		Client: exchange.Client{Address: l.client}, UserAgent: who.UserAgent, ClientKey: exchange.ClientKey{l.client[len(l.client)-1]},
	}
	e := &exchange.End{Time: exchange.Time(l.end.UnixNano()), Status: l.status, BodySize: 10}
	if e.Status == 0 {
		e.Status = 200
	}
	return s.Exchange(ctx, who, b, e, []byte(strconv.Itoa(mark)))
}

func open(t *testing.T, e *Engine, name string) *Source {
	t.Helper()
	s, err := e.Source(t.Context(), name)
	require.NoError(t, err)
	return s
}

// roots returns the spans of sessions, and the others by their traces.
func roots(all []ptrace.Traces) (roots []ptrace.Span, requests map[string][]ptrace.Span) {
	requests = make(map[string][]ptrace.Span)
	for _, td := range all {
		for _, s := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			if s.Kind() == ptrace.SpanKindInternal {
				roots = append(roots, s)
			} else {
				requests[s.TraceID().String()] = append(requests[s.TraceID().String()], s)
			}
		}
	}
	return roots, requests
}

// TestLinesOfLastYear are told with the times of last year, and their sessions are made
// by these, however long the reading takes and pauses.
func TestLinesOfLastYear(t *testing.T) {
	for name, pause := range map[string]time.Duration{"at once": 0, "with pauses": 2500 * time.Millisecond, "for long": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
				e := lines(t, 300*time.Millisecond, func(s *Settings) {
					s.Settle, s.Join.Egress = 2*time.Second, true // every line waits for what might come
					s.Consumers = Consumers{Traces: traces, Metrics: metrics, Logs: logs}
				})
				e.Start()
				s := open(t, e, "access.log")
				lastYear := time.Now().Add(-365 * 24 * time.Hour)
				for i := range 8 { // two builds of four requests
					at := lastYear.Add(time.Duration(i)*100*time.Millisecond + time.Duration(i/4)*10*time.Second)
					l := line{client: "10.0.0.1", begin: at, end: at.Add(50 * time.Millisecond), path: fmt.Sprintf("/example.com/m/@v/v1.0.%d.zip", i)}
					require.NoError(t, l.tell(t.Context(), s, i))
					time.Sleep(pause)
				}
				time.Sleep(time.Minute)
				told := traces.SpanCount()
				time.Sleep(10 * time.Minute)
				assert.Equal(t, told, traces.SpanCount(), "time alone tells nothing")
				s.Finish()
				e.Shutdown(t.Context())

				sessions, requests := roots(traces.AllTraces())
				require.Len(t, sessions, 2)
				for i, root := range sessions {
					first := lastYear.Add(time.Duration(i) * (10*time.Second + 400*time.Millisecond))
					assert.Equal(t, first.UTC(), root.StartTimestamp().AsTime())
					assert.Equal(t, first.Add(350*time.Millisecond).UTC(), root.EndTimestamp().AsTime())
					assert.Len(t, requests[root.TraceID().String()], 4)
				}
				require.Equal(t, 8, logs.LogRecordCount())
				for _, l := range logs.AllLogs() {
					for _, r := range l.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
						assert.WithinDuration(t, lastYear.Add(5*time.Second), r.Timestamp().AsTime(), 6*time.Second)
						d, _ := r.Attributes().Get("event.duration")
						assert.Equal(t, int64(50*time.Millisecond), d.Int())
					}
				}
				all := metrics.AllMetrics()
				assert.Equal(t, uint64(8), count(all[len(all)-1], "http.server.request.duration"))
				assert.Equal(t, uint64(2), count(all[len(all)-1], "goproxy.session.requests"))
			})
		})
	}
}

// TestALateLineTellsNoSessionTwice: a download that took longer than an idle gap is told
// of when its session is over by the lines of others. It is another part of it.
func TestALateLineTellsNoSessionTwice(t *testing.T) {
	for name, tt := range map[string]struct {
		late  time.Duration
		parts int
	}{"not waited for": {0, 2}, "waited for": {time.Minute, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				traces := new(consumertest.TracesSink)
				e := lines(t, 5*time.Second, func(s *Settings) {
					s.Sessions.Late = tt.late
					s.Table = session.NewTable(s.Sessions, []byte("secret"))
					s.Consumers.Traces = traces
				})
				e.Start()
				s := open(t, e, "access.log")
				at := func(seconds int) time.Time {
					return time.Now().Add(-time.Hour).Add(time.Duration(seconds) * time.Second)
				}
				for i, l := range []line{
					{client: "10.0.0.1", begin: at(0), end: at(1)},
					{client: "10.0.0.2", begin: at(20), end: at(30)},
					{client: "10.0.0.1", begin: at(2), end: at(40)}, // of the first one's session
					{client: "10.0.0.1", begin: at(41), end: at(42)},
				} {
					l.path = fmt.Sprintf("/example.com/m/@v/v1.0.%d.zip", i)
					require.NoError(t, l.tell(t.Context(), s, i))
				}
				s.Finish()
				e.Shutdown(t.Context())
				sessions, requests := roots(traces.AllTraces())
				assert.Len(t, requests, 2, "traces")
				seen, ours := make(map[string]bool), 0
				for _, root := range sessions {
					id := root.SpanID().String()
					assert.False(t, seen[id], "told twice")
					seen[id] = true
					if len(requests[root.TraceID().String()]) == 3 {
						ours++
						assert.True(t, root.ParentSpanID().IsEmpty() || seen[root.ParentSpanID().String()], "a later part is below the first")
					}
				}
				assert.Equal(t, tt.parts, ours)
			})
		})
	}
}

// TestTheSlowestSourceMakesTimePass: lines of one file aren't judged late because another
// is read faster, and one that is finished, or says how far it is, holds back nobody.
func TestTheSlowestSourceMakesTimePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traces := new(consumertest.TracesSink)
		e := lines(t, 5*time.Second, func(s *Settings) { s.Consumers.Traces = traces })
		e.Start()
		fast, slow := open(t, e, "fast.log"), open(t, e, "slow.log")
		begin := time.Now().Add(-time.Hour)
		of := func(s *Source, client string, second int) {
			at := begin.Add(time.Duration(second) * time.Second)
			require.NoError(t, line{client: client, begin: at, end: at.Add(time.Second), path: zipPath}.tell(t.Context(), s, second))
		}
		told := func() int {
			time.Sleep(time.Minute)
			sessions, _ := roots(traces.AllTraces())
			return len(sessions)
		}
		for i := range 10 {
			of(fast, "10.0.0.1", 100*i)
		}
		assert.Zero(t, told(), "nothing is known of the slow one")
		of(slow, "10.0.0.2", 0)
		of(slow, "10.0.0.2", 4)
		assert.Zero(t, told())
		require.NoError(t, slow.Reach(t.Context(), exchange.Time(begin.Add(350*time.Second).UnixNano()), nil))
		assert.Equal(t, 4, told(), "the fast one's of then; the slow one's is behind those that wait")
		of(slow, "10.0.0.2", 360)
		slow.Finish()
		of(fast, "10.0.0.1", 1000)
		assert.Equal(t, 10+2, told(), "all but the last")
		require.NoError(t, fast.Reach(t.Context(), exchange.Time(time.Now().Add(time.Hour).UnixNano()), nil))
		assert.Equal(t, 11+2, told(), "nobody is ahead of the wall")
		_, err := e.Source(t.Context(), "fast.log")
		require.Error(t, err, "it is open")
		e.Shutdown(t.Context())
	})
}

// TestABackfillLargerThanTheJournal waits for its consumers and loses nothing, though they
// refuse for a while; and whoever doesn't want to wait goes.
func TestABackfillLargerThanTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20_000
		telemetry := componenttest.NewTelemetry()
		defer func() { require.NoError(t, telemetry.Shutdown(context.Background())) }()
		var accepts atomic.Bool
		seen, most := make(map[string]bool), int64(0)
		ring := journal.NewRing(1 << 20)
		c, err := consumer.NewLogs(func(_ context.Context, l plog.Logs) error {
			most = max(most, ring.Status().Size)
			if !accepts.Load() {
				return errors.New("not now")
			}
			for _, r := range l.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
				path, _ := r.Attributes().Get("url.path")
				assert.False(t, seen[path.Str()], "told twice")
				seen[path.Str()] = true
			}
			return nil
		})
		require.NoError(t, err)
		e := lines(t, time.Second, func(s *Settings) {
			s.Telemetry, s.Journal, s.Hold, s.Consumers.Logs = telemetry.NewTelemetrySettings(), ring, time.Hour, c
		})
		e.Start()
		s := open(t, e, "access.log")
		begin, next := time.Now().Add(-time.Hour), 0
		tell := func(ctx context.Context) error {
			at := begin.Add(time.Duration(next) * 10 * time.Millisecond)
			return line{client: "10.0.0.1", begin: at, end: at, path: fmt.Sprintf("/example.com/m/@v/v1.0.%d.zip", next)}.tell(ctx, s, next)
		}
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			err := tell(ctx)
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			next++
		}
		assert.Greater(t, next, 500)
		assert.Less(t, next, n/2, "it is full by now")
		assert.Equal(t, strconv.Itoa(next-1), string(s.Mark()), "what was given up isn't recorded")
		accepts.Store(true)
		for ; next < n; next++ {
			require.NoError(t, tell(t.Context()))
		}
		s.Finish()
		e.Shutdown(t.Context())
		assert.Len(t, seen, n)
		assert.LessOrEqual(t, most, int64(1<<20))
		assert.Zero(t, lost(t, telemetry))
		require.ErrorIs(t, tell(context.Background()), ErrStopped)
	})
}

// TestMarksOutliveTheRun: the next run gets them back from the checkpoint and what stands
// behind it, and a stop that isn't a source's end is no end of its sessions.
func TestMarksOutliveTheRun(t *testing.T) {
	traces := new(consumertest.TracesSink)
	dir, begin := t.TempDir(), time.Now().Add(-time.Hour)
	settings := session.Settings{IdleGap: time.Minute, MaxDuration: time.Hour, MaxOpen: 100}
	start := func(in string) *Engine {
		e := keptEngine(t, in, func(s *Settings) {
			s.Clock, s.Sessions, s.Consumers.Traces = Watermark, settings, traces
			s.Table = session.NewTable(settings, []byte("secret"))
		})
		e.Start()
		return e
	}
	marks := func(e *Engine) map[string]string {
		all, err := e.Marks(t.Context())
		require.NoError(t, err)
		got := make(map[string]string)
		for _, m := range all {
			got[m.Source] = string(m.At)
		}
		return got
	}
	tell := func(s *Source, n int) {
		at := begin.Add(time.Duration(n) * time.Second)
		require.NoError(t, line{client: "10.0.0.1", begin: at, end: at, path: zipPath}.tell(t.Context(), s, n))
	}

	first := start(dir)
	assert.Empty(t, marks(first))
	a, b := open(t, first, "a"), open(t, first, "b")
	assert.Nil(t, a.Mark())
	tell(a, 1)
	tell(b, 2)
	require.Eventually(t, func() bool {
		require.NoError(t, b.Reach(t.Context(), 0, []byte("2"))) // a checkpoint is made when there is something new
		c, err := loadCheckpoint(dir)
		return err == nil && c != nil && len(c.Marks) == 2
	}, time.Minute, 10*time.Millisecond)
	tell(a, 3)
	require.NoError(t, b.Reach(t.Context(), 0, []byte("4")))
	left := crash(t, dir)
	first.Shutdown(t.Context())

	for _, in := range []string{left, dir} { // killed, and stopped
		second := start(in)
		assert.Equal(t, map[string]string{"a": "3", "b": "4"}, marks(second))
		a := open(t, second, "a")
		assert.Equal(t, "3", string(a.Mark()))
		traces.Reset()
		tell(a, 5)
		a.Finish()
		second.Shutdown(t.Context())
		sessions, requests := roots(traces.AllTraces())
		require.Len(t, sessions, 1)
		n, _ := sessions[0].Attributes().Get("goproxy.session.requests")
		assert.Equal(t, int64(4), n.Int(), "of both runs: %v", requests)
	}
}

func TestMarksAreBounded(t *testing.T) {
	m := newMarks(nil)
	for i := range 2 * maxMarks {
		m.set(&exchange.Mark{Source: strconv.Itoa(i), At: []byte("x")})
		m.set(&exchange.Mark{Source: "0", At: []byte(strconv.Itoa(i))})
	}
	m.set(new(exchange.Mark))
	all := m.all()
	require.Len(t, all, maxMarks)
	assert.Equal(t, exchange.Mark{Source: "0", At: []byte(strconv.Itoa(2*maxMarks - 1))}, all[maxMarks-1])
	assert.Equal(t, all, newMarks(all).all())
	assert.Nil(t, m.at("1"), "the one that wasn't heard of for longest goes")
}

func TestWhatNoRecordKeepsIsRefused(t *testing.T) {
	e := lines(t, time.Second, func(s *Settings) { s.Consumers.Logs = new(consumertest.LogsSink) })
	e.Start()
	defer e.Shutdown(t.Context())
	for _, name := range []string{"", string(make([]byte, exchange.MaxSource+1))} {
		_, err := e.Source(t.Context(), name)
		require.ErrorIs(t, err, errMark)
	}
	s := open(t, e, "a")
	long := make([]byte, exchange.MaxMark+1)
	require.ErrorIs(t, s.Exchange(t.Context(), session.Key{}, new(exchange.Begin), new(exchange.End), long), errMark)
	require.ErrorIs(t, s.Reach(t.Context(), 0, long), errMark)
	assert.Nil(t, s.Mark())
}
