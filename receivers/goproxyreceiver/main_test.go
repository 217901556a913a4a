// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/goleak"

	"github.com/modtap/modtap/internal/tap/instance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	soon = 10 * time.Second // what a busy machine may need at most
	tick = 5 * time.Millisecond
)

// running is a receiver with a sink for each signal.
type running struct {
	url       string
	egress    string // Empty: there is none.
	component component.Component
	receiver  *goproxyReceiver
	traces    consumertest.TracesSink
	metrics   consumertest.MetricsSink
	logs      consumertest.LogsSink
}

// proxies counts those that tests observe: two at once have names of their own.
var proxies atomic.Int64

// testConfig is for a receiver in front of upstream that tells at once.
func testConfig(t testing.TB, upstream string) *Config {
	cfg := newDefaultConfig()
	cfg.ServiceName = fmt.Sprint("goproxy-", proxies.Add(1))
	cfg.DataDir = t.TempDir()
	cfg.Ingress.Endpoint = "127.0.0.1:0"
	cfg.Upstream = upstream
	cfg.Settle = 0
	cfg.Hold = 0
	return cfg
}

// startReceiver starts a receiver of the three signals until the test's end.
func startReceiver(t testing.TB, cfg *Config) *running {
	t.Helper()
	require.NoError(t, cfg.Validate())
	r := new(running)
	announce := func(what, where, _ string) {
		if what == "egress" {
			r.egress = where
			return
		}
		require.Equal(t, "proxy", what)
		require.Empty(t, r.url, "it is one receiver")
		r.url = where
	}
	factory := instance.NewFactory(componentType, newDefaultConfig, func(set receiver.Settings, cfg *Config, open instance.Open) component.Component {
		r.receiver = newReceiver(set, cfg, open, announce)
		return r.receiver
	}, stability)
	set := receivertest.NewNopSettings(factory.Type())
	set.ID = component.NewID(factory.Type())
	traces, err := factory.CreateTraces(t.Context(), set, cfg, &r.traces)
	require.NoError(t, err)
	metrics, err := factory.CreateMetrics(t.Context(), set, cfg, &r.metrics)
	require.NoError(t, err)
	logs, err := factory.CreateLogs(t.Context(), set, cfg, &r.logs)
	require.NoError(t, err)
	require.Same(t, traces, metrics)
	require.Same(t, traces, logs)
	for range 3 {
		require.NoError(t, traces.Start(t.Context(), componenttest.NewNopHost()))
	}
	require.NotEmpty(t, r.url)
	r.component = traces
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop shuts the receiver down: what has ended is then told.
func (r *running) stop(t testing.TB) {
	require.NoError(t, r.component.Shutdown(context.Background()))
}

// told is one exchange as the sinks got it.
type told struct {
	log    map[string]any
	server ptrace.Span
	client []ptrace.Span
	phases []ptrace.Span // internal ones
}

// exchanges stops the receiver and returns all that it told, in order.
func (r *running) exchanges(t testing.TB) []told {
	t.Helper()
	r.stop(t)
	servers := make(map[pcommon.SpanID]ptrace.Span)
	clients, phases := make(map[pcommon.SpanID][]ptrace.Span), make(map[pcommon.SpanID][]ptrace.Span)
	for _, td := range r.traces.AllTraces() {
		for _, s := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			switch s.Kind() {
			case ptrace.SpanKindServer:
				servers[s.SpanID()] = s
			case ptrace.SpanKindInternal:
				phases[s.ParentSpanID()] = append(phases[s.ParentSpanID()], s)
			default:
				clients[s.ParentSpanID()] = append(clients[s.ParentSpanID()], s)
			}
		}
	}
	var all []told
	for _, ld := range r.logs.AllLogs() {
		for _, l := range ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			require.Contains(t, servers, l.SpanID(), "each log record has its span")
			all = append(all, told{log: l.Attributes().AsRaw(), server: servers[l.SpanID()], client: clients[l.SpanID()], phases: phases[l.SpanID()]})
		}
	}
	require.Len(t, servers, len(all), "each span has its log record")
	return all
}

// json is all that was told, for a search.
func (r *running) json(t testing.TB) string {
	t.Helper()
	r.stop(t)
	var all []byte
	for _, td := range r.traces.AllTraces() {
		b, err := (&ptrace.JSONMarshaler{}).MarshalTraces(td)
		require.NoError(t, err)
		all = append(all, b...)
	}
	for _, md := range r.metrics.AllMetrics() {
		b, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(md)
		require.NoError(t, err)
		all = append(all, b...)
	}
	for _, ld := range r.logs.AllLogs() {
		b, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
		require.NoError(t, err)
		all = append(all, b...)
	}
	return string(all)
}
