// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// atRest says of every gauge of ours what it is while nothing happens. A new one
// has to be added: one that tells "since" or "for how long" must be empty, or it
// is an alarm of every night.
var atRest = map[string]string{
	"otelcol_receiver_exchange_oldest_age_seconds":        empty,
	"otelcol_receiver_exchange_waiting":                   empty,
	"otelcol_exporter_queue_oldest_age_seconds":           empty,
	"otelcol_exporter_queue_size":                         empty,
	"otelcol_exporter_in_flight_requests":                 empty,
	"http_server_active_requests":                         empty,
	"otelcol_exporter_queue_capacity":                     steady,
	"otelcol_receiver_exchange_journal_size_bytes":        steady,
	"otelcol_receiver_exchange_journal_max_size_bytes":    steady,
	"goproxy_cache_size_bytes":                            steady,
	"goproxy_cache_files":                                 steady,
	"goproxy_tls_certificate_not_after_timestamp_seconds": steady,
	"goproxy_upstream_circuit_state":                      steady,
	"modtap_build_info":                                   steady,
	"target_info":                                         steady,
	"otelcol_process_memory_rss_bytes":                    ofProcess,
	"otelcol_process_runtime_heap_alloc_bytes":            ofProcess,
	"otelcol_process_runtime_total_sys_memory_bytes":      ofProcess,
}

const (
	empty     = "is 0"
	steady    = "stays"
	ofProcess = "is the process's, not a time"
)

// scraped reads a page of metrics.
func scraped(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(get(t, address)))
	require.NoError(t, err)
	return families
}

// TestGaugesAtRest is case 41 in a running Modtap: after traffic to every signal's
// exporters it is left alone, and no gauge grows with the time.
func TestGaugesAtRest(t *testing.T) {
	isolate(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "v1.0.0\n") }))
	defer origin.Close()
	otlp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer otlp.Close()
	for _, name := range []string{"MODTAP_LISTEN", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN"} {
		t.Setenv(name, "127.0.0.1:0")
	}
	t.Setenv("MODTAP_EGRESS_UPSTREAM", origin.URL)
	t.Setenv("MODTAP_JAEGER", otlp.URL)
	r := start(t, "--set", "receivers.goproxy.settle=10ms", "--set", "receivers.goproxy.sessions.idle_gap=100ms")
	up(t, r)
	for range 5 {
		get(t, told(t, r.String(), "proxy")+"/example.com/m/@v/list")
	}
	page := told(t, r.String(), "metrics")
	const name = "otelcol_exporter_sent_spans_total"
	require.Eventually(t, func() bool { return scraped(t, page)[name] != nil }, time.Minute, 100*time.Millisecond)
	time.Sleep(3 * time.Second) // what is under way ends
	before := scraped(t, page)
	const rest = 3 * time.Second
	time.Sleep(rest)
	after := scraped(t, page)

	seen := 0
	for name, family := range after {
		if family.GetType() != dto.MetricType_GAUGE || strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		rule, ok := atRest[name]
		if !assert.True(t, ok, "%s: say in atRest what it is while nothing happens", name) {
			continue
		}
		seen++
		for i, m := range family.GetMetric() {
			now, then := m.GetGauge().GetValue(), before[name].GetMetric()[i].GetGauge().GetValue()
			switch rule {
			case empty:
				assert.Zero(t, now, "%s %v", name, m.GetLabel())
			case steady:
				assert.InDelta(t, then, now, 0, "%s %v", name, m.GetLabel())
			}
		}
	}
	assert.Greater(t, seen, 10)
	r.stop()
	assert.Zero(t, <-r.code)
}
