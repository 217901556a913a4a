// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/consumer/consumertest"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/session/summary"
)

func TestSessionIsToldOnceItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gap = 5 * time.Second
		traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
		e := newEngine(t, func(s *Settings) {
			s.Sessions = session.Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: 10}
			s.Consumers = Consumers{Traces: traces, Metrics: metrics, Logs: logs}
		})
		e.Start()
		build := func() {
			s := exchange.Session{ID: exchange.TraceID{1}, Inferred: true, Root: session.NewSpanID()}
			for range 3 {
				b := &exchange.Begin{Method: "GET", Path: zipPath, Scheme: "http", Session: s}
				e.Begin(b)
				time.Sleep(4 * time.Second)
				e.End(b, &exchange.End{Status: 200, Cache: exchange.CacheEvidence{Embedded: exchange.Hit}})
			}
		}
		build()
		time.Sleep(gap)
		assert.Equal(t, 3, traces.SpanCount())
		time.Sleep(summary.Slack + sessionTick + time.Second)
		assert.Equal(t, 4, traces.SpanCount(), "time alone closes it")
		assert.Equal(t, 3, logs.LogRecordCount())

		build()
		e.Shutdown(context.Background())
		assert.Equal(t, 8, traces.SpanCount(), "the end of the run closes it")
		assert.Equal(t, 6, logs.LogRecordCount())
		all := metrics.AllMetrics()
		assert.Equal(t, uint64(2), count(all[len(all)-1], "goproxy.session.requests"))
	})
}
