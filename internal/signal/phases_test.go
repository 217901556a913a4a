// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/exchange"
)

// withPhases gives an exchange of 250 ms phases that explain 245 ms of it.
func withPhases(_ *exchange.Begin, e *exchange.End) {
	part := func(p exchange.Phase, start, end, own time.Duration) exchange.Part {
		return exchange.Part{Phase: p, Start: begun.Add(start), End: begun.Add(end), Duration: own}
	}
	const ms = time.Millisecond
	e.FirstByte = begun.Add(240 * ms)
	e.Phases = []exchange.Part{
		part(exchange.PhaseCache, 0, 240*ms, 100*time.Microsecond),      // too short for a field
		part(exchange.PhaseVerify, 20*ms, 220*ms, 40*ms),                // around the rest of the download
		part(exchange.PhaseStore, 10*ms, 235*ms, 1900*time.Microsecond), // too short for a span
		part(exchange.PhaseUpstream, 10*ms, 110*ms, 100*ms),
		part(exchange.PhaseDownload, 110*ms, 210*ms, 100*ms),
		{Phase: exchange.PhaseQueue},
		part(exchange.PhaseSend, 240*ms, 260*ms, 3*ms), // ends after the exchange: a damaged fact
	}
}

func TestPhasesInTheRecord(t *testing.T) {
	got := Logs(resource, []*Told{tell(modPath, withPhases)}).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw()
	fields := map[string]any{}
	for name, v := range got {
		if strings.HasPrefix(name, "goproxy.phase.") || name == "goproxy.first_byte.duration" {
			fields[name] = v
		}
	}
	assert.Equal(t, map[string]any{
		"goproxy.phase.verify.duration": int64(40_000_000), "goproxy.phase.store.duration": int64(1_900_000),
		"goproxy.phase.upstream.duration": int64(100_000_000), "goproxy.phase.download.duration": int64(100_000_000),
		"goproxy.phase.send.duration": int64(3_000_000), "goproxy.first_byte.duration": int64(240_000_000),
	}, fields)
}

func TestPhaseSpans(t *testing.T) {
	all := Traces(resource, []*Told{tell(modPath, withPhases)}).ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	again := Traces(resource, []*Told{tell(modPath, withPhases)}).ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	server := all.At(0)
	require.Equal(t, 1, server.Events().Len())
	assert.Equal(t, "first_byte", server.Events().At(0).Name())
	assert.Equal(t, 240*time.Millisecond, server.Events().At(0).Timestamp().AsTime().Sub(server.StartTimestamp().AsTime()))

	ids := map[pcommon.SpanID]bool{}
	var names []string
	for i, s := range all.All() {
		assert.False(t, ids[s.SpanID()], "an id of its own")
		ids[s.SpanID()] = true
		assert.Equal(t, again.At(i).SpanID(), s.SpanID(), "a replay tells the same")
		assert.GreaterOrEqual(t, s.StartTimestamp(), server.StartTimestamp(), s.Name())
		assert.LessOrEqual(t, s.EndTimestamp(), server.EndTimestamp(), s.Name())
		if s.Kind() != ptrace.SpanKindInternal {
			continue
		}
		names = append(names, s.Name())
		assert.Equal(t, server.SpanID(), s.ParentSpanID())
		assert.Equal(t, server.TraceID(), s.TraceID())
		if s.Name() == "verify" {
			assert.Equal(t, map[string]any{"goproxy.phase.name": "verify", "goproxy.phase.duration": int64(40_000_000)}, s.Attributes().AsRaw())
			assert.Equal(t, 200*time.Millisecond, s.EndTimestamp().AsTime().Sub(s.StartTimestamp().AsTime()))
		}
	}
	assert.Equal(t, []string{"verify", "send"}, names, "upstream and download are the client span")
}

// TestShortExchangesArentExplained, but counted.
func TestShortExchangesArentExplained(t *testing.T) {
	told := tell(modPath, func(b *exchange.Begin, e *exchange.End) {
		withPhases(b, e)
		e.Time = b.Time.Add(explainedFrom - 1)
		e.Attempts = nil
	})
	spans := Traces(resource, []*Told{told}).ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	require.Equal(t, 1, spans.Len())
	assert.Zero(t, spans.At(0).Events().Len())
	record := Logs(resource, []*Told{told}).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw()
	for name := range record {
		assert.NotContains(t, name, "phase")
		assert.NotContains(t, name, "first_byte")
	}
	m := NewMetrics(resource, BucketsClassic, begun)
	m.Add(told)
	m.Add(tell(modPath, func(b *exchange.Begin, e *exchange.End) { withPhases(b, e); b.Side = exchange.Egress }))
	got := points(m.Snapshot(begun), "goproxy.phase.duration", pmetric.MetricTypeHistogram)
	assert.Len(t, got, 6)
	assert.InDelta(t, 1, got["map[goproxy.operation:mod goproxy.phase.name:verify]"], 0)
}
