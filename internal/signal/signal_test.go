// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

var resource = Resource{ServiceName: "goproxy", InstanceID: "0123", Environment: "test", Version: "1.2.3"}

const begun exchange.Time = 1_700_000_000_000_000_000

// tell makes a told exchange of a GET for path that took 250 ms.
func tell(path string, change func(*exchange.Begin, *exchange.End)) *Told {
	b := &exchange.Begin{
		Time: begun, Method: "GET", Path: path, Scheme: "http", ServerAddress: "proxy.test", ServerPort: 8081, Protocol: "1.1",
		Client: exchange.Client{Address: "127.0.0.1", Port: 40000}, UserAgent: "Go-http-client/1.1",
		Span:    exchange.Span{TraceID: exchange.TraceID{1}, SpanID: exchange.SpanID{2}, ParentID: exchange.SpanID{3}, Flags: 1, State: "a=b"},
		Session: exchange.Session{ID: exchange.TraceID{1}},
	}
	e := &exchange.End{
		Time: begun.Add(250 * time.Millisecond), Status: 200, BodySize: 1000,
		Cache: exchange.CacheEvidence{Embedded: exchange.Miss, MissReason: "cold"},
		Attempts: []exchange.Attempt{{
			Start: begun.Add(10 * time.Millisecond), Duration: 200 * time.Millisecond, FirstByte: time.Millisecond,
			Span: exchange.Span{SpanID: exchange.SpanID{4}}, Method: "GET", URL: "https://up.test" + path, Address: "up.test", Port: 443,
			Status: 200, BodySize: 900,
		}},
	}
	if change != nil {
		change(b, e)
	}
	b.Request = goproxy.Parse(b.Path)
	e.Complete(b)
	return &Told{
		Settled: cache.Settled{Run: "r", Begin: b, End: e, Verdict: cache.Judge(e)},
		EventID: "r-1", Request: b.Request,
	}
}

const (
	modPath = "/github.com/!burnt!sushi/toml/@v/v1.0.0.mod"
	zipPath = "/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip"
)

func TestSpans(t *testing.T) {
	td := Traces(resource, []*Told{tell(modPath, nil)})
	assert.Equal(t, map[string]any{
		"service.name": "goproxy", "service.instance.id": "0123", "deployment.environment.name": "test",
	}, td.ResourceSpans().At(0).Resource().Attributes().AsRaw())
	spans := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	require.Equal(t, 2, spans.Len())

	server := spans.At(0)
	assert.Equal(t, "GET /{module}/@v/{version}.mod", server.Name())
	assert.Equal(t, ptrace.SpanKindServer, server.Kind())
	assert.Equal(t, pcommon.TraceID{1}, server.TraceID())
	assert.Equal(t, pcommon.SpanID{3}, server.ParentSpanID())
	assert.Equal(t, "a=b", server.TraceState().AsRaw())
	assert.Equal(t, 250*time.Millisecond, server.EndTimestamp().AsTime().Sub(server.StartTimestamp().AsTime()))
	assert.Equal(t, ptrace.StatusCodeUnset, server.Status().Code())
	assert.Equal(t, map[string]any{
		"http.request.method": "GET", "url.path": modPath, "url.scheme": "http", "http.route": "/{module}/@v/{version}.mod",
		"http.response.status_code": int64(200), "server.address": "proxy.test", "server.port": int64(8081),
		"client.address": "127.0.0.1", "client.port": int64(40000), "network.protocol.version": "1.1",
		"network.peer.address": "127.0.0.1", "network.peer.port": int64(40000),
		"user_agent.original": "Go-http-client/1.1", "http.response.body.size": int64(1000),
		"goproxy.side": "ingress", "goproxy.operation": "mod", "goproxy.module.path": "github.com/BurntSushi/toml",
		"goproxy.module.version": "v1.0.0", "goproxy.cache.result": "miss", "goproxy.cache.evidence": "embedded",
		"goproxy.cache.miss.reason": "cold", "goproxy.outcome": "ok", "goproxy.session.id": "01000000000000000000000000000000", "goproxy.session.inferred": false,
	}, server.Attributes().AsRaw())

	client := spans.At(1)
	assert.Equal(t, ptrace.SpanKindClient, client.Kind())
	assert.Equal(t, server.TraceID(), client.TraceID())
	assert.Equal(t, server.SpanID(), client.ParentSpanID())
	assert.Equal(t, map[string]any{
		"http.request.method": "GET", "url.full": "https://up.test" + modPath, "url.template": "/{module}/@v/{version}.mod", "server.address": "up.test", "server.port": int64(443),
		"http.response.status_code": int64(200), "http.response.body.size": int64(900), "goproxy.side": "egress",
		"goproxy.operation": "mod", "goproxy.module.path": "github.com/BurntSushi/toml", "goproxy.module.version": "v1.0.0",
	}, client.Attributes().AsRaw())
}

func TestOnlyRealFailuresAreErrors(t *testing.T) {
	for _, tt := range []struct {
		status  int
		word    string
		want    ptrace.StatusCode
		outcome string
		errType any
	}{
		{status: 404, want: ptrace.StatusCodeUnset, outcome: "not_found"},
		{status: 410, want: ptrace.StatusCodeUnset, outcome: "not_found"},
		{status: 500, want: ptrace.StatusCodeError, outcome: "upstream_error", errType: "500"},
		{status: 504, word: "timeout", want: ptrace.StatusCodeError, outcome: "timeout", errType: "timeout"},
		{status: 502, word: "checksum_mismatch", want: ptrace.StatusCodeError, outcome: "checksum_mismatch", errType: "checksum_mismatch"},
	} {
		span := Traces(resource, []*Told{tell(modPath, func(_ *exchange.Begin, e *exchange.End) {
			e.Status, e.Error = tt.status, tt.word
		})}).ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
		assert.Equal(t, tt.want, span.Status().Code(), tt.status)
		got := span.Attributes().AsRaw()
		assert.Equal(t, tt.outcome, got["goproxy.outcome"], tt.status)
		assert.Equal(t, tt.errType, got["error.type"], tt.status)
	}
}

func TestCoalescedSpanLinksToItsCause(t *testing.T) {
	span := Traces(resource, []*Told{tell(modPath, func(_ *exchange.Begin, e *exchange.End) {
		e.Cause = exchange.Span{TraceID: exchange.TraceID{8}, SpanID: exchange.SpanID{9}}
	})}).ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
	require.Equal(t, 1, span.Links().Len())
	assert.Equal(t, pcommon.TraceID{8}, span.Links().At(0).TraceID())
	assert.Equal(t, pcommon.SpanID{9}, span.Links().At(0).SpanID())
}

func TestUnknownMethodIsOther(t *testing.T) {
	span := Traces(resource, []*Told{tell("/x", func(b *exchange.Begin, _ *exchange.End) { b.Method = "BREW" })}).
		ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
	assert.Equal(t, "HTTP", span.Name())
	assert.Equal(t, "_OTHER", span.Attributes().AsRaw()["http.request.method"])
	assert.Equal(t, "BREW", span.Attributes().AsRaw()["http.request.method_original"])
}

func TestLogRecord(t *testing.T) {
	infoPath := "/example.com/m/@v/v1.0.0.info"
	told := resource
	told.Version, told.Host = "v1.2.3", "build-7"
	logs := Logs(told, []*Told{tell(infoPath, func(_ *exchange.Begin, e *exchange.End) {
		e.Answer = []byte(`{"Version":"v1.0.0","Time":"` + begun.Add(-time.Hour).Time().Format(time.RFC3339) + `","Origin":{"VCS":"gi`)
	})})
	scope := logs.ResourceLogs().At(0).ScopeLogs().At(0).Scope()
	assert.Equal(t, "v1.2.3", scope.Version())
	assert.Equal(t, map[string]any{
		"ecs.version": "8.17.0", "event.kind": "event", "event.category": []any{"web"}, "event.type": []any{"access"},
		"event.dataset": "modtap.access", "event.module": "modtap", "observer.type": "proxy", "observer.product": "Modtap",
		"observer.version": "v1.2.3", "host.name": "build-7", "goproxy.schema": int64(2),
	}, scope.Attributes().AsRaw())
	record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	assert.Equal(t, "GET "+infoPath+" 200 miss 250.0ms", record.Body().Str())
	assert.Equal(t, "info", record.SeverityText())
	assert.Equal(t, begun.Time(), record.Timestamp().AsTime())
	assert.Equal(t, pcommon.TraceID{1}, record.TraceID())
	assert.Equal(t, pcommon.SpanID{2}, record.SpanID())
	assert.Equal(t, map[string]any{
		"event.id": "r-1", "event.duration": int64(250 * time.Millisecond), "http.request.method": "GET",
		"http.response.status_code": int64(200), "http.response.body.bytes": int64(1000), "url.path": infoPath,
		"client.address": "127.0.0.1", "client.port": int64(40000), "user_agent.original": "Go-http-client/1.1", "network.protocol.version": "1.1",
		"url.scheme": "http", "server.address": "proxy.test", "server.port": int64(8081), "event.outcome": "success", "event.action": "info",
		"goproxy.side": "ingress", "goproxy.operation": "info", "goproxy.module.path": "example.com/m", "goproxy.module.version": "v1.0.0",
		"goproxy.module.version_age": int64(time.Hour), "goproxy.cache.result": "miss", "goproxy.cache.evidence": "embedded",
		"goproxy.cache.miss.reason": "cold", "goproxy.outcome": "ok", "goproxy.session.id": "01000000000000000000000000000000", "goproxy.session.inferred": false,
		"goproxy.upstream": []any{map[string]any{
			"address": "up.test", "url": "https://up.test" + infoPath, "status": int64(200), "duration": int64(200 * time.Millisecond), "bytes": int64(900), "first_byte": int64(time.Millisecond),
		}},
	}, record.Attributes().AsRaw())
}

// points returns attributes -> value of a metric: the count of a histogram, or the sum.
func points(md pmetric.Metrics, name string, kind pmetric.MetricType) map[string]float64 {
	got := map[string]float64{}
	for _, sm := range md.ResourceMetrics().At(0).ScopeMetrics().All() {
		for _, m := range sm.Metrics().All() {
			if m.Name() != name || m.Type() != kind {
				continue
			}
			switch kind {
			case pmetric.MetricTypeHistogram:
				for _, p := range m.Histogram().DataPoints().All() {
					got[fmt.Sprint(p.Attributes().AsRaw())] = float64(p.Count())
				}
			case pmetric.MetricTypeExponentialHistogram:
				for _, p := range m.ExponentialHistogram().DataPoints().All() {
					got[fmt.Sprint(p.Attributes().AsRaw())] = float64(p.Count())
				}
			default:
				for _, p := range m.Sum().DataPoints().All() {
					got[fmt.Sprint(p.Attributes().AsRaw())] = float64(p.IntValue())
				}
			}
		}
	}
	return got
}

func TestMetricsCount(t *testing.T) {
	m := NewMetrics(resource, BucketsBoth, begun)
	m.Add(tell(zipPath, nil))
	m.Add(tell(zipPath, func(b *exchange.Begin, _ *exchange.End) { b.Method = "HEAD" }))
	m.Add(tell(modPath, func(_ *exchange.Begin, e *exchange.End) {
		e.Status, e.Attempts[0].Status, e.Attempts[0].Error = 502, 0, "connection_refused"
	}))
	var active Active
	got, head, post := tell(zipPath, nil).Begin, tell(zipPath, nil).Begin, tell(zipPath, nil).Begin
	head.Method, head.Scheme, post.Method = "HEAD", "https", "BREW"
	for _, b := range []*exchange.Begin{got, got, head, post} {
		active.Begin(b)
	}
	active.End(got)
	active.End(post)
	md := m.Snapshot(begun.Add(time.Minute), active.Read)

	const okZip = "map[goproxy.cache.result:miss goproxy.operation:zip goproxy.outcome:ok http.request.method:GET http.response.status_code:200 http.route:/{module}/@v/{version}.zip network.protocol.version:1.1 url.scheme:http]"
	for _, kind := range []pmetric.MetricType{pmetric.MetricTypeHistogram, pmetric.MetricTypeExponentialHistogram} {
		got := points(md, "http.server.request.duration", kind)
		assert.Len(t, got, 3)
		assert.InDelta(t, 1, got[okZip], 0)
		attempts := points(md, "http.client.request.duration", kind)
		assert.InDelta(t, 1, attempts["map[error.type:connection_refused goproxy.operation:mod goproxy.side:egress http.request.method:GET server.address:up.test server.port:443]"], 0)
		assert.Len(t, points(md, "http.client.response.body.size", kind), 1, "an attempt without an answer has no size")
		assert.Len(t, points(md, "http.server.response.body.size", kind), 3)
	}
	assert.Equal(t, map[string]float64{
		"map[goproxy.toolchain.arch:amd64 goproxy.toolchain.os:linux goproxy.toolchain.version:go1.26.8]": 1,
	}, points(md, "goproxy.toolchain.requests", pmetric.MetricTypeSum), "one per download, none for a HEAD")
	running := points(md, "http.server.active_requests", pmetric.MetricTypeSum)
	assert.Len(t, running, len(goproxy.Operations())+2, "what was seen, and each operation before there is a request")
	for labels, want := range map[string]float64{
		"map[goproxy.operation:zip http.request.method:GET url.scheme:http]":    1,
		"map[goproxy.operation:zip http.request.method:HEAD url.scheme:https]":  1,
		"map[goproxy.operation:zip http.request.method:_OTHER url.scheme:http]": 0,
		"map[goproxy.operation:list http.request.method:GET url.scheme:http]":   0,
	} {
		n, shown := running[labels]
		assert.True(t, shown, labels)
		assert.InDelta(t, want, n, 0, labels)
	}
	assert.Equal(t, int64(2), active.Total())
}

func TestEveryDeclaredMetricMoves(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	m.Add(tell(zipPath, func(_ *exchange.Begin, e *exchange.End) { e.Attempts[0].Reason = "error" }))
	m.Add(tell(modPath, func(_ *exchange.Begin, e *exchange.End) {
		e.Cache = exchange.CacheEvidence{Headers: []exchange.Header{{Name: "X-Cache", Value: "MISS"}, {Name: "X-Cache-Hits", Value: "3"}}}
	}))
	m.Add(&Told{Session: closedSession()})
	m.Add(tell(modPath, func(_ *exchange.Begin, e *exchange.End) { e.Status, e.Error = 502, exchange.ErrorChecksumMismatch }))
	var told []string
	cached := func() []Reading {
		return []Reading{{Metric: &CacheSize, Value: 1}, {Metric: &CacheFiles, Value: 1}, {Metric: &CacheEvictions, Value: 1}}
	}
	upstreams := func() []Reading {
		return []Reading{{Metric: &CircuitState, Values: []string{"up.test", "open"}}, {Metric: &CertificateNotAfter, Values: []string{"", "ingress"}, Value: 1}}
	}
	m.Add(tell(modPath, func(_ *exchange.Begin, e *exchange.End) { e.Leak = "*.corp.example" }))
	m.Add(tell(modPath, withPhases))
	for _, sm := range m.Snapshot(begun, new(Active).Read, cached, upstreams).ResourceMetrics().At(0).ScopeMetrics().All() {
		for _, metric := range sm.Metrics().All() {
			told = append(told, metric.Name())
		}
	}
	var declared []string
	for _, d := range Declared() {
		declared = append(declared, d.Name)
		assert.NotEmpty(t, d.Description)
		assert.Equal(t, d.Kind == Histogram, slices.IsSorted(d.Boundaries) && len(d.Boundaries) > 0, d.Name)
	}
	assert.ElementsMatch(t, declared, told)
}

func TestWhatIsReadLive(t *testing.T) {
	md := NewMetrics(resource, BucketsClassic, begun).Snapshot(begun, func() []Reading {
		return []Reading{{Metric: &CacheSize, Value: 7}, {Metric: &CacheEvictions, Value: 3}}
	})
	got := map[string]string{}
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		points := pmetric.NewNumberDataPointSlice()
		switch m.Type() {
		case pmetric.MetricTypeGauge:
			points = m.Gauge().DataPoints()
		case pmetric.MetricTypeSum:
			assert.True(t, m.Sum().IsMonotonic())
			points = m.Sum().DataPoints()
		}
		require.Equal(t, 1, points.Len())
		got[m.Name()] = fmt.Sprint(m.Type(), points.At(0).IntValue(), points.At(0).Attributes().AsRaw())
	}
	assert.Equal(t, map[string]string{"goproxy.cache.size": "Gauge 7 map[]", "goproxy.cache.evictions": "Sum 3 map[]"}, got)
}

func TestMissesAreCountedByReason(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	for _, reason := range []string{"cold", "evicted", "evicted"} {
		m.Add(tell(modPath, func(_ *exchange.Begin, e *exchange.End) { e.Cache.MissReason = reason }))
	}
	m.Add(tell(modPath, func(_ *exchange.Begin, e *exchange.End) { e.Cache = exchange.CacheEvidence{Embedded: exchange.Hit} }))
	m.Add(tell(modPath, func(b *exchange.Begin, _ *exchange.End) { b.Side = exchange.Egress }))
	assert.Equal(t, map[string]float64{
		"map[goproxy.cache.miss.reason:cold goproxy.operation:mod]":    1,
		"map[goproxy.cache.miss.reason:evicted goproxy.operation:mod]": 2,
	}, points(m.Snapshot(begun), "goproxy.cache.misses", pmetric.MetricTypeSum))
}

func TestFallthroughsAreCountedByReason(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	m.Add(tell(modPath, func(_ *exchange.Begin, e *exchange.End) {
		last := e.Attempts[0]
		e.Attempts = []exchange.Attempt{
			{Address: "a.test", Status: 404, Reason: "not_found"},
			{Address: "b.test", Error: exchange.ErrorCircuitOpen, Reason: exchange.ErrorCircuitOpen},
			{Address: "direct", Direct: true, Reason: "not_found"},
			last,
		}
	}))
	told := m.Snapshot(begun)
	assert.Equal(t, map[string]float64{
		"map[goproxy.upstream.reason:not_found server.address:a.test]":    1,
		"map[goproxy.upstream.reason:circuit_open server.address:b.test]": 1,
		"map[goproxy.upstream.reason:not_found server.address:direct]":    1,
	}, points(told, "goproxy.upstream.fallthroughs", pmetric.MetricTypeSum))
	assert.Len(t, points(told, "http.client.request.duration", pmetric.MetricTypeHistogram), 2, "what an open breaker held back was no request")
}

func TestSeriesAreBounded(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	for i := range 3 * maxSeries {
		m.Add(tell(modPath, func(_ *exchange.Begin, e *exchange.End) { e.Attempts[0].Address = fmt.Sprint("host", i) }))
	}
	got := points(m.Snapshot(begun, new(Active).Read), "http.client.request.duration", pmetric.MetricTypeHistogram)
	assert.Len(t, got, maxSeries+1)
	assert.InDelta(t, 2*maxSeries, got["map[otel.metric.overflow:true]"], 0, "nothing is lost, only told together")
}

func TestExemplarsNameTheExchange(t *testing.T) {
	m := NewMetrics(resource, BucketsBoth, begun)
	m.Add(tell(modPath, nil))
	for _, sm := range m.Snapshot(begun, new(Active).Read).ResourceMetrics().At(0).ScopeMetrics().All() {
		for _, metric := range sm.Metrics().All() {
			if metric.Name() != "http.server.request.duration" {
				continue
			}
			var x pmetric.ExemplarSlice
			if metric.Type() == pmetric.MetricTypeHistogram {
				x = metric.Histogram().DataPoints().At(0).Exemplars()
			} else {
				x = metric.ExponentialHistogram().DataPoints().At(0).Exemplars()
			}
			require.Equal(t, 1, x.Len())
			assert.Equal(t, pcommon.TraceID{1}, x.At(0).TraceID())
			assert.InDelta(t, 0.25, x.At(0).DoubleValue(), 1e-9)
		}
	}
}

func BenchmarkTell(b *testing.B) {
	batch := make([]*Told, 512)
	for i := range batch {
		batch[i] = tell(modPath, nil)
	}
	for name, f := range map[string]func(){
		"traces": func() { Traces(resource, batch) },
		"logs":   func() { Logs(resource, batch) },
		"metrics": func() {
			m := NewMetrics(resource, BucketsBoth, begun)
			for _, t := range batch {
				m.Add(t)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/exchange")
		})
	}
}

func TestAttemptThatFellThrough(t *testing.T) {
	span := Traces(resource, []*Told{tell(modPath, func(_ *exchange.Begin, e *exchange.End) {
		e.Attempts[0].Status, e.Attempts[0].Reason = 410, "gone"
	})}).ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(1)
	assert.Equal(t, "fall_through", span.Attributes().AsRaw()["goproxy.outcome"])
	assert.Equal(t, ptrace.StatusCodeUnset, span.Status().Code())
}

// TestPeerOfOthers: an address without a port is a hash, or one that a proxy tells.
func TestPeerOfOthers(t *testing.T) {
	attributes := Traces(resource, []*Told{tell(modPath, func(b *exchange.Begin, _ *exchange.End) { b.Client.Port = 0 })}).
		ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().AsRaw()
	assert.Equal(t, "127.0.0.1", attributes["client.address"])
	assert.NotContains(t, attributes, "network.peer.address")
	assert.NotContains(t, attributes, "network.peer.port")
}

func TestScopes(t *testing.T) {
	batch := []*Told{tell(modPath, nil)}
	m := NewMetrics(resource, BucketsBoth, begun)
	m.Add(batch[0])
	var scopes []pcommon.InstrumentationScope
	scopes = append(scopes, Traces(resource, batch).ResourceSpans().At(0).ScopeSpans().At(0).Scope())
	scopes = append(scopes, Logs(resource, batch).ResourceLogs().At(0).ScopeLogs().At(0).Scope())
	for _, sm := range m.Snapshot(begun).ResourceMetrics().At(0).ScopeMetrics().All() {
		scopes = append(scopes, sm.Scope())
	}
	var names []string
	for _, s := range scopes {
		assert.Equal(t, "1.2.3", s.Version(), s.Name())
		names = append(names, s.Name())
	}
	const name = "github.com/modtap/modtap"
	assert.Equal(t, []string{name, name, name, name + "/exponential"}, names)
}
