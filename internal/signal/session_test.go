// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

func closedSession() *session.Closed {
	return &session.Closed{
		Session: exchange.Session{ID: exchange.TraceID{1}, Inferred: true, Root: exchange.SpanID{2}},
		First:   exchange.Span{TraceID: exchange.TraceID{1}, SpanID: exchange.SpanID{3}, Flags: 1},
		Start:   begun, End: begun.Add(90 * time.Second),
		Requests: 12, Failures: 1, Bytes: 4096, Hits: 3, Misses: 1,
		SlowestModule: "example.com/m", SlowestVersion: "v1.0.0", Slowest: 1500 * time.Millisecond,
		Client: exchange.Client{Address: "192.0.2.1", Name: "ann"}, UserAgent: "Go-http-client/1.1",
		CI: exchange.CI{
			System: "gitlab", Pipeline: "group/project", PipelineRun: "11", PipelineURL: "https://ci.test/11",
			Job: "build", JobRun: "12", JobURL: "https://ci.test/12",
		},
	}
}

func TestSessionSpan(t *testing.T) {
	spans := Traces(resource, []*Told{{Session: closedSession()}, tell(modPath, nil)}).ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	require.Equal(t, 3, spans.Len())
	root := spans.At(0)
	assert.Equal(t, "go build session", root.Name())
	assert.Equal(t, ptrace.SpanKindInternal, root.Kind())
	assert.Equal(t, pcommon.TraceID{1}, root.TraceID())
	assert.Equal(t, pcommon.SpanID{2}, root.SpanID())
	assert.True(t, root.ParentSpanID().IsEmpty())
	assert.Equal(t, uint32(1), root.Flags())
	assert.Equal(t, timestamp(begun), root.StartTimestamp())
	assert.Equal(t, 90*time.Second, root.EndTimestamp().AsTime().Sub(root.StartTimestamp().AsTime()))
	assert.Equal(t, ptrace.StatusCodeUnset, root.Status().Code())
	assert.Equal(t, map[string]any{
		"goproxy.session.id": "01000000000000000000000000000000", "goproxy.session.inferred": true,
		"goproxy.session.requests": int64(12), "goproxy.session.transferred": int64(4096), "goproxy.session.failures": int64(1),
		"goproxy.session.hit_ratio": 0.75, "goproxy.session.slowest.module": "example.com/m",
		"goproxy.session.slowest.version": "v1.0.0", "goproxy.session.slowest.duration": int64(1_500_000_000),
		"client.address": "192.0.2.1", "user.name": "ann", "user_agent.original": "Go-http-client/1.1",
		"goproxy.ci.system": "gitlab", "cicd.pipeline.name": "group/project", "cicd.pipeline.run.id": "11",
		"cicd.pipeline.run.url.full": "https://ci.test/11", "cicd.pipeline.task.name": "build",
		"cicd.pipeline.task.run.id": "12", "cicd.pipeline.task.run.url.full": "https://ci.test/12",
	}, root.Attributes().AsRaw())
}

func TestSessionWithoutASpanOfOurs(t *testing.T) {
	s := closedSession()
	s.Root = exchange.SpanID{}
	told := []*Told{{Session: s}}
	assert.Zero(t, Traces(resource, told).SpanCount())
	assert.Zero(t, Logs(resource, told).LogRecordCount(), "the log has exchanges only")
}

func TestSessionMetrics(t *testing.T) {
	m := NewMetrics(resource, BucketsBoth, begun)
	m.Add(&Told{Session: closedSession()})
	foreign := closedSession()
	foreign.Inferred, foreign.Root = false, exchange.SpanID{}
	m.Add(&Told{Session: foreign})
	told := m.Snapshot(begun)
	both := map[string]float64{"map[goproxy.session.inferred:true]": 1, "map[goproxy.session.inferred:false]": 1}
	for _, name := range []string{"goproxy.session.duration", "goproxy.session.requests"} {
		assert.Equal(t, both, points(told, name, pmetric.MetricTypeHistogram), name)
	}
	for _, metric := range told.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if metric.Name() != "goproxy.session.requests" {
			continue
		}
		for _, p := range metric.Histogram().DataPoints().All() {
			assert.InDelta(t, 12, p.Sum(), 0)
			require.Equal(t, 1, p.Exemplars().Len())
			want := pcommon.SpanID{3} // the first request's: the session's own is somebody else's
			if inferred, _ := p.Attributes().Get("goproxy.session.inferred"); inferred.Bool() {
				want = pcommon.SpanID{2}
			}
			assert.Equal(t, want, p.Exemplars().At(0).SpanID())
		}
	}
}
