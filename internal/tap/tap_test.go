// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/handover"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/signal"
)

const zipPath = "/github.com/pkg/errors/@v/v0.9.1.zip"

func newEngine(t *testing.T, change func(*Settings)) *Engine {
	t.Helper()
	s := Settings{
		Resource:        signal.Resource{ServiceName: "proxy", InstanceID: "i", Environment: "test"},
		Hold:            time.Second,
		MetricsInterval: 20 * time.Millisecond,
		Journal:         journal.NewRing(64 << 20),
		Telemetry:       componenttest.NewNopTelemetrySettings(),
	}
	if change != nil {
		change(&s)
	}
	e, err := New(s)
	require.NoError(t, err)
	return e
}

// request captures one exchange; result is the embedded proxy's, if any.
func request(e *Engine, result exchange.CacheResult) {
	b := &exchange.Begin{Method: "GET", Path: zipPath, Request: goproxy.Parse(zipPath), Scheme: "http"}
	b.Span = session.Continue(exchange.Span{})
	e.Begin(b)
	e.End(b, &exchange.End{Status: 200, BodySize: 10, Cache: exchange.CacheEvidence{Embedded: result}})
}

func eventIDs(all []plog.Logs) (ids []string) {
	for _, l := range all {
		for _, record := range l.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			id, _ := record.Attributes().Get(signal.AttrEventID)
			ids = append(ids, id.Str())
		}
	}
	return ids
}

// count returns the cumulative count of a classic histogram over all series.
func count(md pmetric.Metrics, name string) (n uint64) {
	for _, sm := range md.ResourceMetrics().At(0).ScopeMetrics().All() {
		for _, m := range sm.Metrics().All() {
			if m.Name() == name && m.Type() == pmetric.MetricTypeHistogram {
				for _, p := range m.Histogram().DataPoints().All() {
					n += p.Count()
				}
			}
		}
	}
	return n
}

func TestEveryExchangeIsToldOnceInEachSignal(t *testing.T) {
	traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
	e := newEngine(t, func(s *Settings) { s.Consumers = Consumers{Traces: traces, Metrics: metrics, Logs: logs} })
	e.Start()
	const clients, each = 8, 400
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				request(e, exchange.Hit)
			}
		})
	}
	wg.Wait()
	e.Shutdown(context.Background())
	e.Shutdown(context.Background())

	const n = clients * each
	assert.Equal(t, n, traces.SpanCount())
	ids := eventIDs(logs.AllLogs())
	require.Len(t, ids, n)
	assert.IsIncreasing(t, ids, "event.id rises in the order of telling")
	all := metrics.AllMetrics()
	assert.Equal(t, uint64(n), count(all[len(all)-1], "http.server.request.duration"))
	for _, l := range logs.AllLogs() {
		assert.LessOrEqual(t, l.LogRecordCount(), maxBatch)
	}
}

func TestVerdictWithoutConclusiveEvidenceSettlesByTheJournalsTime(t *testing.T) {
	logs := new(consumertest.LogsSink)
	settling := func(settle time.Duration) *Engine {
		e := newEngine(t, func(s *Settings) { s.Settle, s.Join.Egress, s.Consumers.Logs = settle, true, logs })
		e.Start()
		t.Cleanup(func() { e.Shutdown(context.Background()) })
		return e
	}
	const settle = 2 * time.Second
	start := time.Now()
	request(settling(settle), "")
	require.Eventually(t, func() bool { return logs.LogRecordCount() == 1 }, time.Minute, 5*time.Millisecond)
	assert.GreaterOrEqual(t, time.Since(start), settle)

	request(settling(time.Hour), exchange.Miss)
	require.Eventually(t, func() bool { return logs.LogRecordCount() == 2 }, time.Minute, 5*time.Millisecond,
		"conclusive evidence doesn't wait")
}

func TestShutdownTellsWhatIsSettling(t *testing.T) {
	logs := new(consumertest.LogsSink)
	e := newEngine(t, func(s *Settings) { s.Settle, s.Join.Egress, s.Consumers.Logs = 200*time.Millisecond, true, logs })
	e.Start()
	request(e, "")
	e.Shutdown(context.Background())
	assert.Equal(t, 1, logs.LogRecordCount())
}

func TestSlowSignalHoldsBackNoOther(t *testing.T) {
	release := make(chan struct{})
	slow, err := consumer.NewTraces(func(ctx context.Context, _ ptrace.Traces) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	})
	require.NoError(t, err)
	logs := new(consumertest.LogsSink)
	e := newEngine(t, func(s *Settings) { s.Consumers = Consumers{Traces: slow, Logs: logs} })
	e.Start()
	for i := range 3 {
		request(e, exchange.Hit)
		require.Eventually(t, func() bool { return logs.LogRecordCount() == i+1 }, time.Minute, 5*time.Millisecond)
	}
	close(release)
	e.Shutdown(context.Background())
}

func TestRefusedBatchIsOfferedAgain(t *testing.T) {
	var mu sync.Mutex
	var seen []plog.Logs
	refusals := 2
	c, err := consumer.NewLogs(func(_ context.Context, l plog.Logs) error {
		mu.Lock()
		defer mu.Unlock()
		if refusals--; refusals >= 0 {
			return errors.New("not now")
		}
		seen = append(seen, l)
		return nil
	})
	require.NoError(t, err)
	e := newEngine(t, func(s *Settings) { s.Consumers.Logs = c })
	e.Start()
	request(e, exchange.Hit)
	assert.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) == 1 }, time.Minute, 10*time.Millisecond)
	e.Shutdown(context.Background())
	assert.Len(t, eventIDs(seen), 1)
}

func TestLossIsCounted(t *testing.T) {
	for name, refusal := range map[string]error{
		"permanent":          consumererror.NewPermanent(errors.New("never")),
		"a full queue":       fmt.Errorf("exporter: %w", exporterhelper.ErrQueueIsFull),
		"longer than hold":   errors.New("not now"),
		"one of two, passes": errors.Join(exporterhelper.ErrQueueIsFull, errors.New("not now")),
	} {
		t.Run(name, func(t *testing.T) {
			tel := componenttest.NewTelemetry()
			defer func() { require.NoError(t, tel.Shutdown(context.Background())) }()
			c, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return refusal })
			require.NoError(t, err)
			e := newEngine(t, func(s *Settings) { s.Telemetry, s.Consumers.Logs = tel.NewTelemetrySettings(), c })
			e.Start()
			request(e, exchange.Hit)
			request(e, exchange.Hit)
			e.Shutdown(context.Background())
			m, err := tel.GetMetric("otelcol_receiver_exchange_lost")
			require.NoError(t, err)
			var lost int64
			for _, p := range sumOf(t, m) {
				lost += p
			}
			assert.Equal(t, int64(2), lost)
		})
	}
}

// TestExportersHearWhenABatchIsGivenUp: once for what is lost, and never for what a later attempt tells.
func TestExportersHearWhenABatchIsGivenUp(t *testing.T) {
	for name, tt := range map[string]struct {
		refusals int
		refusal  error
		hold     time.Duration
		lost     int
	}{
		"passes":           {3, errors.New("not now"), 10 * time.Second, 0},
		"longer than hold": {1000, errors.New("not now"), 300 * time.Millisecond, 1},
		"for good":         {1000, consumererror.NewPermanent(errors.New("never")), 10 * time.Second, 1},
		"until the stop":   {1000, errors.New("not now"), time.Minute, 1}, // nothing is kept for a next run here
	} {
		t.Run(name, func(t *testing.T) {
			var asked, lost atomic.Int64
			c, err := consumer.NewLogs(func(ctx context.Context, _ plog.Logs) error {
				batch := handover.FromContext(ctx)
				if asked.Add(1) > int64(tt.refusals) {
					batch.Answered("exporter", nil)
					return nil
				}
				batch.Answered("exporter", []func(){func() { lost.Add(1) }})
				return tt.refusal
			})
			require.NoError(t, err)
			e := newEngine(t, func(s *Settings) { s.Hold, s.Consumers.Logs = tt.hold, c })
			e.Start()
			request(e, exchange.Hit)
			if name == "until the stop" {
				require.Eventually(t, func() bool { return asked.Load() > 1 }, time.Minute, 10*time.Millisecond)
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				e.Shutdown(ctx)
			} else {
				require.Eventually(t, func() bool { return lost.Load() > 0 || asked.Load() > int64(tt.refusals) }, time.Minute, 10*time.Millisecond)
				e.Shutdown(context.Background())
			}
			assert.EqualValues(t, tt.lost, lost.Load())
		})
	}
}

func TestFinal(t *testing.T) {
	full, permanent, other := exporterhelper.ErrQueueIsFull, consumererror.NewPermanent(errors.New("x")), errors.New("y")
	assert.True(t, final(full))
	assert.True(t, final(permanent))
	assert.True(t, final(errors.Join(full, fmt.Errorf("wrapped: %w", permanent))))
	assert.False(t, final(other))
	assert.False(t, final(errors.Join(full, other)))
	assert.False(t, final(fmt.Errorf("wrapped: %w", errors.Join(permanent, errors.Join(full, other)))))
}

func TestShutdownWithoutStart(t *testing.T) {
	newEngine(t, nil).Shutdown(context.Background())
}

func TestShutdownIsBounded(t *testing.T) {
	c, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return errors.New("not now") })
	require.NoError(t, err)
	e := newEngine(t, func(s *Settings) { s.Hold, s.Consumers.Logs = time.Hour, c })
	e.Start()
	request(e, exchange.Hit)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	e.Shutdown(ctx)
	assert.Less(t, time.Since(start), 30*time.Second)
}

// BenchmarkBeginEnd is what an exchange costs on the request path.
func BenchmarkBeginEnd(b *testing.B) {
	mapped, err := journal.Open(b.TempDir(), 64<<20, zap.NewNop())
	require.NoError(b, err)
	for name, j := range map[string]journal.Journal{"memory": journal.NewRing(16 << 20), "mapped": mapped} {
		b.Run(name, func(b *testing.B) {
			e, err := New(Settings{Journal: j, Telemetry: componenttest.NewNopTelemetrySettings()})
			require.NoError(b, err)
			end := exchange.End{Status: 200, Attempts: make([]exchange.Attempt, 1)}
			begin := exchange.Begin{Method: "GET", Path: zipPath, Request: goproxy.Parse(zipPath), Scheme: "http", UserAgent: "Go-http-client/1.1"}
			b.ReportAllocs()
			for b.Loop() {
				e.Begin(&begin)
				e.End(&begin, &end)
			}
		})
		require.NoError(b, j.Close())
	}
}

func sumOf(t *testing.T, m metricdata.Metrics) (values []int64) {
	t.Helper()
	data, ok := m.Data.(metricdata.Sum[int64])
	require.True(t, ok)
	for _, p := range data.DataPoints {
		values = append(values, p.Value)
	}
	return values
}

// TestMillionRequests: a million requests over 200,000 modules leave the memory
// flat and at most N+1 module values, and the increases add up exactly.
func TestMillionRequests(t *testing.T) {
	const total, distinct, chunk = 1_000_000, 200_000, 20_000
	if testing.Short() {
		t.Skip("it takes its time")
	}
	var mu sync.Mutex
	var last pmetric.Metrics
	sink, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		mu.Lock()
		defer mu.Unlock()
		last = md
		return nil
	})
	require.NoError(t, err)
	e := newEngine(t, func(s *Settings) { s.Consumers.Metrics = sink })
	e.Start()
	counted := func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		if last == (pmetric.Metrics{}) {
			return 0
		}
		return count(last, "http.server.request.duration")
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var early uint64
	for i := 0; i < total; {
		for range chunk {
			n := i % distinct
			if i%3 > 0 {
				n %= 50 // some are heavy
			}
			b := &exchange.Begin{Method: "GET", Path: fmt.Sprintf("/example.com/m%d/@v/v1.0.0.zip", n), Scheme: "http"}
			e.Begin(b)
			e.End(b, &exchange.End{Status: 200, BodySize: 10, Cache: exchange.CacheEvidence{Embedded: exchange.Hit}})
			i++
		}
		require.Eventually(t, func() bool { return counted() == uint64(i) }, time.Minute, 5*time.Millisecond)
		if i == total/5 {
			early = heap()
		}
	}
	late := heap()
	e.Shutdown(context.Background())

	var requests int64
	values := map[string]bool{}
	for _, m := range last.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Name() != "goproxy.module.requests" {
			continue
		}
		for _, p := range m.Sum().DataPoints().All() {
			requests += p.IntValue()
			path, _ := p.Attributes().Get("goproxy.module.path")
			values[path.Str()] = true
		}
	}
	assert.Equal(t, int64(total), requests, "the sum over all series")
	assert.LessOrEqual(t, len(values), signal.DefaultHeavyHitters.Modules+1)
	assert.Less(t, late, early+(24<<20), "memory is flat, but for what the journal holds until the next checkpoint")
	t.Logf("%d requests, %d modules: %d module values, heap %.1f MB after a fifth, %.1f MB at the end", total, distinct, len(values), float64(early)/(1<<20), float64(late)/(1<<20))
}
