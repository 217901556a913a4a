// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// traced sends n requests for files that are there and for some that are not,
// each with a trace id of its own, and returns how many were answered with which
// status, and the trace ids.
func traced(tb testing.TB, m *modtap, o *origin, n int) (statuses map[int]int, ids map[string]bool) {
	tb.Helper()
	const modules = 10
	for i := range modules {
		o.add(tb, fmt.Sprint("example.com/m", i), 1000*(i+1))
	}
	statuses, ids = map[int]int{}, map[string]bool{}
	for i := range n {
		ending := []string{"v1.0.0.info", "v1.0.0.mod", "v1.0.0.zip", "v2.0.0.mod"}[i%4]
		request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, fmt.Sprintf("%s/example.com/m%d/@v/%s", m.proxy, i%modules, ending), http.NoBody)
		require.NoError(tb, err)
		id := fmt.Sprintf("5eed%028x", i)
		request.Header.Set("Traceparent", "00-"+id+"-00000000000000aa-01")
		response, err := http.DefaultClient.Do(request)
		require.NoError(tb, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(tb, err)
		require.NoError(tb, response.Body.Close())
		statuses[response.StatusCode]++
		ids[id] = true
	}
	return statuses, ids
}

// value is the one element of an expression's result, -1 if there is none yet.
func value(tb testing.TB, p *backends.PrometheusServer, expression string) float64 {
	tb.Helper()
	samples := p.Query(tb, expression)
	if len(samples) == 0 {
		return -1
	}
	require.Len(tb, samples, 1, expression)
	return samples[0].Value
}

// seconds is what the documents say that the requests took in all.
func seconds(docs []document) (sum float64) {
	for _, d := range docs {
		sum += time.Duration(d.Event.Duration).Seconds()
	}
	return sum
}

// told compares what a Prometheus knows of the requests' duration with what
// clients got. count and sum are expressions for all series, %s in them takes a
// selector.
func told(t *testing.T, p *backends.PrometheusServer, count, sum string, statuses map[int]int, docs []document) {
	t.Helper()
	total := 0
	for _, n := range statuses {
		total += n
	}
	require.Eventually(t, func() bool { return value(t, p, fmt.Sprintf(count, "")) >= float64(total) }, time.Minute, 200*time.Millisecond, count)
	assert.InDelta(t, total, value(t, p, fmt.Sprintf(count, "")), 0)
	for status, n := range statuses {
		selector := fmt.Sprintf(`{job="goproxy",http_response_status_code="%d"}`, status)
		assert.InDelta(t, n, value(t, p, fmt.Sprintf(count, selector)), 0, "%s", selector)
	}
	assert.InEpsilon(t, seconds(docs), value(t, p, fmt.Sprintf(sum, "")), 1e-9)
}

const (
	classicCount = `sum(http_server_request_duration_seconds_count%s)`
	classicSum   = `sum(http_server_request_duration_seconds_sum%s)`
	nativeCount  = `sum(histogram_count(http_server_request_duration_seconds%s))`
	nativeSum    = `sum(histogram_sum(http_server_request_duration_seconds%s))`
)

// TestExemplarsLeadToTraceAndDocument: what the real Prometheus 3 (native
// histograms) and 2 (classic ones) have scraped is exactly what clients got, and
// each of their exemplars leads to a trace in Jaeger and from there to a document
// in Elasticsearch.
func TestExemplarsLeadToTraceAndDocument(t *testing.T) {
	jaeger, elastic := backends.Jaeger(t), backends.Elasticsearch(t)
	o := newOrigin(t)
	m := start(t, append(o.goproxy(), "MODTAP_JAEGER="+jaeger.OTLPHTTP, "MODTAP_ELASTICSEARCH="+elastic.URL))
	options := backends.PrometheusOptions{Scrape: []string{m.metrics}, Job: []string{"honor_labels: true"}}
	classic, native := backends.Prometheus(t, options), backends.Prometheus3(t, options)

	const requests = 400
	statuses, ids := traced(t, m, o, requests)
	docs := m.settled(requests)
	require.Len(t, docs, requests)

	told(t, classic, classicCount, classicSum, statuses, docs)
	told(t, native, classicCount, classicSum, statuses, docs)
	told(t, native, nativeCount, nativeSum, statuses, docs)
	assert.InDelta(t, requests, value(t, classic, `sum(http_server_request_duration_seconds_bucket{le="+Inf"})`), 0)
	assert.Empty(t, classic.Query(t, `{__name__="http_server_request_duration_seconds"}`), "Debian's has no native histograms here")

	spans := map[string]string{} // Trace by span.
	require.Eventually(t, func() bool {
		for _, trace := range jaeger.Traces(t, "goproxy", 2*requests) {
			for _, span := range trace.Spans {
				spans[span.SpanID] = trace.TraceID
			}
		}
		return len(spans) >= requests
	}, time.Minute, 200*time.Millisecond)
	documents := map[string]string{}
	require.Eventually(t, func() bool {
		for _, hit := range elastic.Search(t, "*", "") {
			var d document
			require.NoError(t, json.Unmarshal(hit.Source, &d))
			documents[d.Span.ID] = d.Trace.ID
		}
		return len(documents) >= requests
	}, time.Minute, 200*time.Millisecond)

	for name, found := range map[string][]backends.Exemplar{
		"classic buckets in Prometheus 2":   classic.Exemplars(t, "http_server_request_duration_seconds_bucket"),
		"classic buckets in Prometheus 3":   native.Exemplars(t, "http_server_request_duration_seconds_bucket"),
		"native histograms in Prometheus 3": native.Exemplars(t, "http_server_request_duration_seconds"),
	} {
		t.Logf("%d exemplars on %s", len(found), name)
		assert.NotEmpty(t, found, name)
		for _, e := range found {
			trace, span := e.Labels["trace_id"], e.Labels["span_id"]
			assert.True(t, ids[trace], "%s: %v is the trace of a request", name, e.Labels)
			assert.Equal(t, trace, spans[span], "%s: in Jaeger", name)
			assert.Equal(t, trace, documents[span], "%s: in Elasticsearch", name)
			assert.Equal(t, 1, elastic.Count(t, "*", "trace.id:"+trace), "%s: found by trace.id", name)
		}
	}
}

// TestMetricsPushedByOTLP: the configuration of the README of prometheusexporter that
// pushes metrics to Prometheus 3 brings it what a scrape would.
func TestMetricsPushedByOTLP(t *testing.T) {
	prometheus := backends.Prometheus3(t, backends.PrometheusOptions{})
	config, err := filepath.Abs(filepath.Join("testdata", "prometheus-otlp.yaml"))
	require.NoError(t, err)
	require.FileExists(t, config)
	o := newOrigin(t)
	m := start(t, append(o.goproxy(), "PROMETHEUS="+prometheus.URL),
		"run", "--config", "modtap:base", "--config", "modtap:jsonlines", "--config", config)

	const requests = 100
	statuses, ids := traced(t, m, o, requests)
	docs := m.settled(requests)
	require.Len(t, docs, requests)

	told(t, prometheus, classicCount, classicSum, statuses, docs)
	told(t, prometheus, nativeCount, nativeSum, statuses, docs)
	found := prometheus.Exemplars(t, `{__name__=~"http_server_request_duration_seconds.*"}`)
	assert.NotEmpty(t, found)
	for _, e := range found {
		assert.True(t, ids[e.Labels["trace_id"]], "%v", e.Labels)
		assert.Len(t, e.Labels["span_id"], 16)
	}
	page, err := os.ReadFile(config)
	require.NoError(t, err)
	readme, err := os.ReadFile(filepath.Join("..", "..", "exporters", "prometheusexporter", "README.md"))
	require.NoError(t, err)
	assert.Contains(t, string(readme), string(page), "the README shows this configuration")
}
