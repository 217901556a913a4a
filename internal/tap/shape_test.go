// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/modtap/modtap/internal/exchange"
)

// unpack puts what an earlier Modtap left, as it is in testdata/backlog, into a folder.
func unpack(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "journal"), 0o700))
	files, err := filepath.Glob(filepath.Join("testdata", "backlog", name, "*.gz"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		f, err := os.Open(path)
		require.NoError(t, err)
		zipped, err := gzip.NewReader(f)
		require.NoError(t, err)
		data, err := io.ReadAll(zipped)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		to := filepath.Join(dir, strings.TrimSuffix(filepath.Base(path), ".gz"))
		if strings.HasSuffix(to, ".segment") {
			to = filepath.Join(dir, "journal", filepath.Base(to))
		}
		require.NoError(t, os.WriteFile(to, data, 0o600))
	}
	return dir
}

// lost returns what the engine counted as lost.
func lost(t *testing.T, telemetry *componenttest.Telemetry) (n int64) {
	t.Helper()
	m, err := telemetry.GetMetric("otelcol_receiver_exchange_lost")
	require.NoError(t, err)
	for _, v := range sumOf(t, m) {
		n += v
	}
	return n
}

// TestABacklogOfAnEarlierModtap: what a Modtap of before captured and left untold, in
// its own journal, beside its own checkpoint, is told after an upgrade: all of it, once,
// in each signal. Its records are of the shape whose number the folder has.
func TestABacklogOfAnEarlierModtap(t *testing.T) {
	const (
		list, info, mod, zip = "/example.com/m1/@v/list", "/example.com/m1/@v/v1.0.0.info", "/example.com/m1/@v/v1.0.0.mod", "/example.com/m1/@v/v1.0.0.zip"
		other, none, icon    = "/example.com/m2/@v/v1.0.0.info", "/example.com/none/@v/list", "/favicon.ico"
	)
	for name, want := range map[string][]string{
		"5": {
			"ingress 200 " + list, "ingress 200 " + info, "ingress 200 " + mod, "ingress 200 " + zip,
			"ingress 200 " + list, "ingress 200 " + info, "ingress 200 " + mod, "ingress 200 " + zip,
			"ingress 200 " + other, "ingress 404 " + none, "ingress 405 " + none, "ingress 404 " + icon, "ingress 200 " + zip,
			"egress 200 " + list, "egress 200 " + info, "egress 200 " + mod, "egress 200 " + zip,
			"egress 200 " + other, "egress 404 " + none, "egress 404 " + icon,
		},
	} {
		t.Run(name, func(t *testing.T) {
			telemetry := componenttest.NewTelemetry()
			defer func() { require.NoError(t, telemetry.Shutdown(context.Background())) }()
			traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
			e := keptEngine(t, unpack(t, name), func(s *Settings) {
				s.Telemetry, s.Consumers = telemetry.NewTelemetrySettings(), Consumers{Traces: traces, Metrics: metrics, Logs: logs}
			})
			e.Start()
			request(e, exchange.Hit) // of this run
			e.Shutdown(context.Background())

			var got []string
			for _, l := range logs.AllLogs() {
				for _, r := range l.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
					a := r.Attributes().AsRaw()
					assert.NotEqual(t, "interrupted", a["goproxy.outcome"], "it had ended")
					if a["url.path"] != zipPath {
						got = append(got, fmt.Sprint(a["goproxy.side"], " ", a["http.response.status_code"], " ", a["url.path"]))
					}
				}
			}
			assert.ElementsMatch(t, want, got)
			servers := 0
			for _, td := range traces.AllTraces() {
				for _, s := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
					if s.Kind() == ptrace.SpanKindServer {
						servers++
					}
				}
			}
			assert.Equal(t, len(want)+1, servers)
			all := metrics.AllMetrics()
			ingress := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return !strings.HasPrefix(s, "ingress") })
			assert.Equal(t, uint64(len(ingress)+1), count(all[len(all)-1], "http.server.request.duration"))
			assert.Zero(t, lost(t, telemetry))
		})
	}
}

// TestAJournalOfANewerModtap: what a newer Modtap left is told by this one after it was
// taken back: fields that it doesn't know are left out, and so are kinds of records.
func TestAJournalOfANewerModtap(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	defer func() { require.NoError(t, telemetry.Shutdown(context.Background())) }()
	const n = 200
	dir := t.TempDir()
	writer := keptEngine(t, dir, func(*Settings) {})
	later := func(rec []byte) { // each record of a kind that is known has a field more
		writer.settings.Journal.Append(append(rec, 200, 5, 0, 'l', 'a', 't', 'e', 'r'))
		unknown := append([]byte{99}, rec[1:9]...) // the time
		writer.settings.Journal.Append(append(unknown, "of another form"...))
	}
	later(exchange.AppendStart(nil, exchange.Start{Time: writer.now(), Run: writer.run, Settings: []byte(`{"Settle":1000000,"Unheard":{"of":1}}`)}))
	for i := range n {
		b := &exchange.Begin{ID: uint64(i + 1), Time: writer.now(), Method: "GET", Path: fmt.Sprintf("/example.com/m%d/@v/v1.0.0.zip", i), Scheme: "http", ClientKey: exchange.ClientKey{1}}
		b.Span = exchange.Span{TraceID: exchange.TraceID{1}, SpanID: exchange.SpanID{byte(i), byte(i >> 8), 1}}
		later(exchange.AppendBegin(nil, b))
		later(exchange.AppendEnd(nil, &exchange.End{ID: b.ID, Time: writer.now() + 1, Status: 200, BodySize: 10}))
	}
	later(exchange.AppendStop(nil, writer.now()+2))
	left := crash(t, dir)
	writer.Shutdown(context.Background())

	traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
	core, log := observer.New(zap.InfoLevel)
	e := keptEngine(t, left, func(s *Settings) {
		s.Settle, s.Telemetry, s.Consumers = time.Hour, telemetry.NewTelemetrySettings(), Consumers{Traces: traces, Metrics: metrics, Logs: logs}
		s.Telemetry.Logger = zap.New(core)
	})
	e.Start()
	e.Shutdown(context.Background())
	assert.Len(t, byID(t, logs.AllLogs()), n)
	assert.Equal(t, n, traces.SpanCount())
	all := metrics.AllMetrics()
	assert.Equal(t, uint64(n), count(all[len(all)-1], "http.server.request.duration"))
	assert.Zero(t, lost(t, telemetry))
	assert.Equal(t, 1, log.FilterMessageSnippet("newer").Len(), "said once")
	assert.Equal(t, log.FilterMessageSnippet("newer").Len(), log.Len(), "and nothing is wrong")
}
