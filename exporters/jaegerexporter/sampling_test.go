// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/test/backends"
)

// sampledService makes n traces of two spans, the child first and in a batch of its
// own, as a session's root comes after its requests.
func sampledService(service, operation string, n int) (children, roots ptrace.Traces) {
	children, roots = ptrace.NewTraces(), ptrace.NewTraces()
	add := func(to ptrace.Traces) ptrace.SpanSlice {
		inResource := to.ResourceSpans().AppendEmpty()
		inResource.Resource().Attributes().PutStr("service.name", service)
		return inResource.ScopeSpans().AppendEmpty().Spans()
	}
	childSpans, rootSpans := add(children), add(roots)
	v := &variation{start: began()}
	for i := range n {
		var id pcommon.TraceID // Spread evenly, so that a probability is met exactly.
		binary.BigEndian.PutUint64(id[:], uint64(len(service))<<32|uint64(i))
		binary.BigEndian.PutUint64(id[8:], uint64(i)*(math.MaxInt64/uint64(n))+1)
		for kind, spans := range []ptrace.SpanSlice{rootSpans, childSpans} {
			span := spans.AppendEmpty()
			span.SetTraceID(id)
			span.SetName(operation)
			span.SetStartTimestamp(pcommon.NewTimestampFromTime(v.start))
			span.SetEndTimestamp(pcommon.NewTimestampFromTime(v.start.Add(time.Second)))
			span.SetSpanID(pcommon.SpanID{1, byte(kind)})
			if kind == 1 {
				span.SetParentSpanID(pcommon.SpanID{1, 0})
			}
		}
	}
	return children, roots
}

const strategiesFile = `{
  "default_strategy": {"type": "probabilistic", "param": 0},
  "service_strategies": [
    {"service": "half", "type": "probabilistic", "param": 0.5},
    {"service": "few", "type": "ratelimiting", "param": 7},
    {"service": "operations", "type": "probabilistic", "param": 0, "operation_strategies": [
      {"operation": "GET /{module}/@v/list", "type": "probabilistic", "param": 0.25},
      {"operation": "все", "type": "probabilistic", "param": 1}]}
  ]}`

// samplingJaeger is a Jaeger with the strategies above, and an exporter that asks for
// them.
func samplingJaeger(t *testing.T) (jaeger *backends.JaegerServer, file string, telemetry *componenttest.Telemetry, e exporter.Traces) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "strategies.json")
	require.NoError(t, os.WriteFile(file, []byte(strategiesFile), 0o600))
	jaeger = backends.Jaeger(t, "--sampling.strategies-file="+file, "--sampling.strategies-reload-interval=100ms")
	telemetry = measured(t)
	return jaeger, file, telemetry, start(t, telemetry, componenttest.NewNopHost(),
		"endpoint: "+jaeger.Thrift+"/api/traces\nremote_sampling: {refresh_interval: 100ms}\nsending_queue: {enabled: false}")
}

func TestRemoteSampling(t *testing.T) {
	for _, tt := range []struct {
		service, operation string
		sampler            string
		param              float64
		least, most        int // Traces of 1000.
	}{
		{"half", "GET /{module}/@v/list", samplerProbabilistic, 0.5, 500, 501},
		// 7 at once, and more while the test runs.
		{"few", "GET /{module}/@v/list", samplerRateLimiting, 7, 7, 40},
		// One more is the lower bound's first, as with Jaeger's clients.
		{"operations", "GET /{module}/@v/list", samplerProbabilistic, 0.25, 250, 252},
		{"operations", "все", samplerProbabilistic, 1, 1000, 1000},
	} {
		t.Run(tt.service+" "+tt.operation[:3], func(t *testing.T) {
			jaeger, _, telemetry, e := samplingJaeger(t)
			children, roots := sampledService(tt.service, tt.operation, 1000)
			require.NoError(t, e.ConsumeTraces(t.Context(), children))
			require.NoError(t, e.ConsumeTraces(t.Context(), roots))
			unsampled := counted(t, telemetry, "otelcol_exporter_jaeger_unsampled_spans")[""]
			var spans map[string]backends.Span
			backends.Await(t, time.Minute, "all sampled spans", func() bool {
				spans = stored(t, jaeger, tt.service)
				return len(spans) == 2000-int(unsampled)
			})
			traces := len(spans) / 2
			assert.GreaterOrEqual(t, traces, tt.least)
			assert.LessOrEqual(t, traces, tt.most)
			lowerBound := 0
			for id, span := range spans {
				_, hasRoot := spans[span.TraceID+"/0100000000000000"]
				_, hasChild := spans[span.TraceID+"/0101000000000000"]
				require.True(t, hasRoot && hasChild, "a trace is sent whole: %s", id)
				if span.SpanID != "0100000000000000" {
					require.NotContains(t, span.Tags, samplerTypeKey, "the root only")
					continue
				}
				if span.Tags[samplerTypeKey] == samplerLowerBound {
					lowerBound++
					continue
				}
				require.Equal(t, tt.sampler, span.Tags[samplerTypeKey])
				require.InDelta(t, tt.param, span.Tags[samplerParamKey], 0)
			}
			assert.LessOrEqual(t, lowerBound, 1)
		})
	}
}

func TestRemoteSamplingFollowsAndKeeps(t *testing.T) {
	jaeger, file, _, e := samplingJaeger(t)
	child, root := sampledService("other", "none", 1)
	require.NoError(t, e.ConsumeTraces(t.Context(), child))
	require.NoError(t, e.ConsumeTraces(t.Context(), root))
	current := func() strategy {
		of := e.(*sampling).strategies.find("other")
		of.mu.Lock()
		defer of.mu.Unlock()
		return of.strategy
	}
	require.Equal(t, strategy(probabilistic(0)), current(), "the first trace waits for the first answer")

	require.NoError(t, os.WriteFile(file, []byte(`{"default_strategy": {"type": "probabilistic", "param": 0.75}}`), 0o600))
	backends.Await(t, time.Minute, "the new strategy", func() bool { return current() == strategy(probabilistic(0.75)) })

	jaeger.Stop()
	time.Sleep(300 * time.Millisecond) // Some questions without an answer.
	assert.Equal(t, strategy(probabilistic(0.75)), current(), "the last known stays in force")
}

func TestEverythingIsSentBeforeTheFirstStrategy(t *testing.T) {
	jaeger := newAnswering(t) // It knows nothing of strategies: 400 to an empty batch.
	e := start(t, measured(t), componenttest.NewNopHost(), "endpoint: "+jaeger.URL+"/api/traces\nremote_sampling:"+quickRetry)
	children, roots := sampledService("any", "one", 10)
	require.NoError(t, e.ConsumeTraces(t.Context(), children))
	require.NoError(t, e.ConsumeTraces(t.Context(), roots))
	assert.Equal(t, 20, jaeger.spans)
}

// TestProbabilisticAsClientsDo holds the rule of Jaeger's clients: the lower 63 bits
// of the trace id at or below the rate's share of 2^63.
func TestProbabilisticAsClientsDo(t *testing.T) {
	id := func(low uint64) (id pcommon.TraceID) {
		binary.BigEndian.PutUint64(id[8:], low)
		return id
	}
	for _, tt := range []struct {
		rate float64
		low  uint64
		want bool
	}{
		{0, 1, false},
		{1, math.MaxUint64, true},
		{1, math.MaxInt64, true},
		{0.5, 1 << 62, true},
		{0.5, 1<<62 + 1, false},
		{0.5, 1<<63 | 1<<62, true},
	} {
		assert.Equal(t, tt.want, probabilistic(tt.rate).decide(id(tt.low), "").sampled, "%g %x", tt.rate, tt.low)
	}
}

func TestDecisionsAreBounded(t *testing.T) {
	d := newDecisions(10)
	first := pcommon.TraceID{1}
	d.remember(first, decision{sampled: true})
	for i := range 1000 {
		d.remember(pcommon.TraceID{2, byte(i >> 8), byte(i)}, decision{})
		_, ok := d.of(first)
		require.True(t, ok, "what is used isn't forgotten")
		require.LessOrEqual(t, len(d.young)+len(d.old), 20)
	}
}

func TestParseStrategy(t *testing.T) {
	for text, want := range map[string]string{
		`{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.5}}`: "",
		`{"strategyType":0,"probabilisticSampling":{"samplingRate":0.5}}`:               "",
		`{"strategyType":"RATE_LIMITING","rateLimitingSampling":{}}`:                    "",
		`{"probabilisticSampling":{"samplingRate":2}}`:                                  "sampling strategy: probability 2 is not from 0 to 1",
		`{"rateLimitingSampling":{"maxTracesPerSecond":-1}}`:                            "sampling strategy: -1 traces a second",
		`{}`:            "sampling strategy: none in the answer",
		`<html></html>`: "sampling strategy: invalid character '<' looking for beginning of value",
	} {
		_, err := parseStrategy([]byte(text))
		assert.Equal(t, want != "", err != nil, text)
		if err != nil {
			assert.EqualError(t, err, want)
		}
	}
}

func FuzzParseStrategy(f *testing.F) {
	f.Add(`{"probabilisticSampling":{"samplingRate":0.5}}`)
	f.Add(`{"operationSampling":{"defaultSamplingProbability":1,"perOperationStrategies":[{"operation":"a"},null]}}`)
	f.Add(`{"rateLimitingSampling":{"maxTracesPerSecond":1e308}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseStrategy([]byte(text))
		if err == nil {
			d := s.decide(pcommon.TraceID{8: 1}, "a")
			assert.NotEmpty(t, d.sampler, fmt.Sprint(s))
		}
	})
}
