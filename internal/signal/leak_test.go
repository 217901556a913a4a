// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/exchange"
)

func TestLeaks(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	leaking := tell(modPath, func(_ *exchange.Begin, e *exchange.End) { e.Leak = "*.corp.example" })
	blocked := tell(modPath, func(_ *exchange.Begin, e *exchange.End) {
		e.Leak, e.Attempts[0].Error, e.Attempts[0].Status = "*.corp.example", exchange.ErrorLeakBlocked, 0
	})
	m.Add(leaking)
	m.Add(blocked)
	m.Add(tell(modPath, nil))
	md := m.Snapshot(begun)
	assert.Equal(t, map[string]float64{"map[goproxy.leak.pattern:*.corp.example]": 2},
		points(md, "goproxy.private.leaks", pmetric.MetricTypeSum))
	for _, n := range points(md, "http.client.request.duration", pmetric.MetricTypeHistogram) {
		assert.InDelta(t, 2, n, 0, "what was blocked was not sent")
	}

	record := Logs(resource, []*Told{leaking}).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	assert.Equal(t, "*.corp.example", record.Attributes().AsRaw()["goproxy.leak.pattern"])
	span := Traces(resource, []*Told{leaking}).ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
	assert.Equal(t, "*.corp.example", span.Attributes().AsRaw()["goproxy.leak.pattern"])
}
