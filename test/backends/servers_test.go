// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gone tells whether no process, or with a negative id no process group, has this id.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// stops ends a server and shows that nothing of it is left.
func stops(t *testing.T, s *Server) {
	t.Helper()
	pid := s.PID
	require.NoError(t, syscall.Kill(pid, 0), "it runs")
	began := time.Now()
	s.Stop()
	assert.Less(t, time.Since(began), gracePeriod, "it ends without SIGKILL")
	assert.True(t, gone(pid), "its process is gone")
	base, err := url.Parse(s.URL)
	require.NoError(t, err)
	require.Error(t, accepts(base.Host)(t.Context()), "its port is closed")
	s.Stop()
}

func body(t *testing.T, url string) string {
	t.Helper()
	answer, err := fetch(t.Context(), http.MethodGet, url, "")
	require.NoError(t, err)
	return string(answer)
}

// versions is a small module's folder in a proxy.
const versions = "/github.com/pkg/errors/@v/"

func TestAthens(t *testing.T) {
	t.Parallel()
	s := Athens(t, AthensOptions{})
	assert.Contains(t, body(t, s.URL+versions+"list"), "v0.9.1")
	assert.Contains(t, body(t, s.URL+versions+"v0.9.1.mod"), "module github.com/pkg/errors")
	assert.FileExists(t, filepath.Join(s.Dir, "github.com/pkg/errors/v0.9.1/source.zip"))
	stops(t, s)
}

func TestAthensFetchesFromTheProxyNamed(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 100)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		http.NotFound(w, r)
	}))
	t.Cleanup(upstream.Close)
	s := Athens(t, AthensOptions{Goproxy: upstream.URL, GoEnv: []string{"GONOSUMDB=*"}})

	_, err := fetch(t.Context(), http.MethodGet, s.URL+versions+"v0.9.1.info", "")

	// Athens answers 500 instead of 404 where its own reaper of child processes was
	// faster than the wait for its go command.
	require.Error(t, err)
	assert.Equal(t, versions+"v0.9.1.info", <-asked)
}

func TestGoproxy(t *testing.T) {
	t.Parallel()
	s := Goproxy(t, GoproxyOptions{})
	assert.Contains(t, body(t, s.URL+versions+"list"), "v0.9.1")
	assert.Contains(t, body(t, s.URL+versions+"v0.9.1.mod"), "module github.com/pkg/errors")
	assert.FileExists(t, filepath.Join(s.Dir, versions, "v0.9.1.mod"))

	pid := s.PID
	s.Kill()
	assert.True(t, gone(pid))
	s.Restart()
	assert.NotEqual(t, pid, s.PID)
	assert.Contains(t, body(t, s.URL+versions+"v0.9.1.mod"), "module github.com/pkg/errors")
	stops(t, s)
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	s := Goproxy(t, GoproxyOptions{})
	s.Pause()
	connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err, "the kernel still accepts")
	defer func() { require.NoError(t, connection.Close()) }()
	_, err = fmt.Fprint(connection, "GET / HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, connection.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	_, err = connection.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	s.Resume()

	require.NoError(t, connection.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = connection.Read(make([]byte, 1))
	require.NoError(t, err)
}

func TestPrometheus(t *testing.T) {
	t.Parallel()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "answer{of=\"everything\"} 42\nlimit +Inf\n")
	}))
	t.Cleanup(target.Close)
	s := Prometheus(t, PrometheusOptions{Scrape: []string{strings.TrimPrefix(target.URL, "http://")}})
	Await(t, time.Minute, "the first scrape", func() bool { return len(s.Query(t, "limit")) == 1 })
	samples := s.Query(t, `sum by (of) (answer{job="test"})`)
	assert.Equal(t, []Sample{{Labels: map[string]string{"of": "everything"}, Value: 42}}, samples)
	stops(t, s.Server)
}

func TestPrometheus3(t *testing.T) {
	t.Parallel()
	histograms := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "answer", Buckets: []float64{1, 100}, NativeHistogramBucketFactor: 1.1})
	histograms.(prometheus.ExemplarObserver).ObserveWithExemplar(42, prometheus.Labels{"trace_id": "abc"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(histograms)
	target := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(target.Close)
	s := Prometheus3(t, PrometheusOptions{Scrape: []string{strings.TrimPrefix(target.URL, "http://")}})
	Await(t, time.Minute, "the first scrape", func() bool { return len(s.Query(t, "histogram_sum(answer)")) == 1 })
	assert.InDelta(t, 42, s.Query(t, "histogram_sum(answer)")[0].Value, 0, "native")
	assert.InDelta(t, 1, s.Query(t, `answer_bucket{le="100.0"}`)[0].Value, 0, "classic")
	for _, name := range []string{"answer", "answer_bucket"} {
		found := s.Exemplars(t, name)
		require.Len(t, found, 1)
		assert.Equal(t, map[string]string{"trace_id": "abc"}, found[0].Labels)
		assert.Equal(t, name, found[0].Series["__name__"])
		assert.InDelta(t, 42, found[0].Value, 0)
	}
	stops(t, s.Server)
	output, err := exec.CommandContext(t.Context(), Promtool3(t), "--version").CombinedOutput()
	require.NoError(t, err)
	assert.Contains(t, string(output), "promtool, version")
}

func TestJaeger(t *testing.T) {
	t.Parallel()
	s := Jaeger(t)
	start := time.Now().Truncate(time.Microsecond)
	_, err := fetch(t.Context(), http.MethodPost, s.OTLPHTTP+"/v1/traces", fmt.Sprintf(`{"resourceSpans":[{
		"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"modtap"}},{"key":"host.name","value":{"stringValue":"here"}}]},
		"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","parentSpanId":"eee19b7ec3c1b173",
		"name":"GET","kind":2,"startTimeUnixNano":"%d","endTimeUnixNano":"%d",
		"attributes":[{"key":"http.response.status_code","value":{"intValue":"200"}},{"key":"hit","value":{"boolValue":true}}],
		"events":[{"timeUnixNano":"%[1]d","name":"first byte"}]}]}]}]}`,
		start.UnixNano(), start.Add(1500*time.Microsecond).UnixNano()))
	require.NoError(t, err)

	var traces []Trace
	Await(t, time.Minute, "the trace", func() bool {
		traces = s.Traces(t, "modtap", 10)
		return len(traces) == 1
	})

	require.Len(t, traces[0].Spans, 1)
	span := traces[0].Spans[0]
	assert.Equal(t, "5b8efff798038103d269b633813fc60c", span.TraceID)
	assert.Equal(t, "eee19b7ec3c1b174", span.SpanID)
	assert.Equal(t, "GET", span.Operation)
	assert.Equal(t, []Reference{{Kind: "CHILD_OF", TraceID: span.TraceID, SpanID: "eee19b7ec3c1b173"}}, span.References)
	assert.Equal(t, start.UnixMicro(), span.Start)
	assert.EqualValues(t, 1500, span.Duration)
	assert.Equal(t, int64(200), span.Tags["http.response.status_code"])
	assert.Equal(t, true, span.Tags["hit"])
	assert.Equal(t, "server", span.Tags["span.kind"])
	assert.Equal(t, "modtap", span.Service)
	assert.Equal(t, "here", span.Process["host.name"])
	assert.Equal(t, []Event{{Time: start.UnixMicro(), Fields: map[string]any{"event": "first byte"}}}, span.Events)
	assert.Empty(t, s.Traces(t, "nobody", 10))
	require.NoError(t, accepts(s.OTLPGRPC)(t.Context()))
	stops(t, s.Server)
}

func TestElasticsearch(t *testing.T) {
	t.Parallel()
	s := Elasticsearch(t)
	assert.Zero(t, s.Count(t, "requests-*", ""), "no index yet")
	assert.Zero(t, s.Count(t, "requests-1", ""), "no index yet")
	_, err := fetch(t.Context(), http.MethodPut, s.URL+"/requests-1/_doc/a", `{"status":404,"operation":"zip"}`)
	require.NoError(t, err)
	_, err = fetch(t.Context(), http.MethodPut, s.URL+"/requests-2/_doc/b", `{"status":200,"operation":"zip"}`)
	require.NoError(t, err)

	assert.Equal(t, 2, s.Count(t, "requests-*", "operation:zip"))
	assert.Equal(t, 1, s.Count(t, "requests-*", "operation:zip AND status:404"))
	hits := s.Search(t, "requests-*", `{"query":{"term":{"status":404}}}`)
	require.Len(t, hits, 1)
	assert.Equal(t, "requests-1", hits[0].Index)
	assert.Equal(t, "a", hits[0].ID)
	assert.JSONEq(t, `{"status":404,"operation":"zip"}`, string(hits[0].Source))
	assert.Len(t, s.Search(t, "requests-*", ""), 2)
	stops(t, s.Server)
}

func TestOpenSearch(t *testing.T) {
	t.Parallel()
	s := OpenSearch(t)
	_, err := fetch(t.Context(), http.MethodPut, s.URL+"/_index_template/stream", `{"index_patterns":["stream"],"data_stream":{}}`)
	require.NoError(t, err)
	_, err = fetch(t.Context(), http.MethodPut, s.URL+"/stream/_create/a", `{"@timestamp":"2026-11-22T13:32:23Z","status":404}`)
	require.NoError(t, err)

	assert.Equal(t, 1, s.Count(t, "stream", "status:404"))
	hits := s.Search(t, "stream", "")
	require.Len(t, hits, 1)
	assert.Equal(t, "a", hits[0].ID)
	assert.Contains(t, hits[0].Index, ".ds-stream-", "a backing index")
	stops(t, s.Server)
}

func TestNginx(t *testing.T) {
	t.Parallel()
	s := Nginx(t, NginxOptions{Workers: 2, Config: `
		log_format json escape=json '{"uri":"$uri"}';
		server {
			listen 127.0.0.1:{{.Port}};
			access_log {{.Dir}}/access.json json;
			location / { return 200 "from nginx"; }
		}`})
	assert.Equal(t, "from nginx", body(t, s.URL+"/a"))
	stops(t, s)
	log, err := os.ReadFile(filepath.Join(s.Dir, "access.json"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"uri":"/a"}`, string(log))
}

func TestEnvoy(t *testing.T) {
	t.Parallel()
	s := Envoy(t, EnvoyOptions{Config: `
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: {{.Port}} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: test
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: from envoy}}
`})
	assert.Equal(t, "from envoy", body(t, s.URL+"/a"))
	assert.Contains(t, body(t, s.Admin+"/stats?filter=downstream_rq_2xx"), "http.test.downstream_rq_2xx: 1")
	stops(t, s.Server)
}
