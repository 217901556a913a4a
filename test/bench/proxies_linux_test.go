// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

// proxy is one of those that are compared.
type proxy struct {
	name    string
	address string
	pid     int
	metrics string // scraped once a second while the proxy is measured, if it isn't empty
	// rewrites says that answers aren't the origin's byte for byte.
	rewrites bool
	asked    int // requests so far
	// told returns how many requests each of its signals tells of. Nil: nothing to count.
	told func() string
}

// The names that the table shows; the first is what the others are compared with.
const (
	bare         = "httputil.ReverseProxy"
	threeSignals = "Modtap, three signals"
)

// starters start the proxies in the order of the table.
var starters = []struct {
	name  string
	start func(*testing.B, site) *proxy
}{
	{bare, startReverseProxy},
	{threeSignals, startModtap},
	{"Modtap, metrics only", startModtapMetrics},
	{"Modtap, embedded proxy, warm hit", startModtapEmbedded},
	{"nginx, JSON log", startNginx},
	{"Envoy, OTLP traces, JSON log", startEnvoy},
}

// site is what all proxies share.
type site struct {
	origin string // its address
	peer   string // binary
	modtap string // binary
}

func startReverseProxy(b *testing.B, s site) *proxy {
	b.Helper()
	pid, address := peer(b, s.peer, "reverseproxy", "http://"+s.origin)
	return &proxy{address: address, pid: pid}
}

// runModtap starts Modtap as a user would: with variables.
func runModtap(b *testing.B, s site, env ...string) *proxy {
	b.Helper()
	p := &proxy{address: port.Address(b)}
	metrics := port.Address(b)
	p.metrics = "http://" + metrics + "/metrics"
	var stdout io.Reader
	p.pid, stdout = spawn(b, append([]string{
		"MODTAP_DATA=" + b.TempDir(), "MODTAP_LISTEN=" + p.address, "MODTAP_METRICS_LISTEN=" + metrics, "MODTAP_HEALTH_LISTEN=" + port.Address(b),
	}, env...), s.modtap)
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return p
}

// runTelling starts Modtap with a backend for each signal, and so that it tells what each of them holds.
func runTelling(b *testing.B, s site, env ...string) *proxy {
	b.Helper()
	_, sink := peer(b, s.peer, "sink")
	logs := b.TempDir()
	p := runModtap(b, s, append(env, "MODTAP_JAEGER=http://"+sink, "MODTAP_LOG="+filepath.Join(logs, "requests.jsonl"))...)
	p.told = func() string {
		return fmt.Sprintf("%s spans, %d documents, %d in the histogram of durations", spans(b, sink), lines(b, logs), counted(b, p.metrics))
	}
	return p
}

func startModtap(b *testing.B, s site) *proxy {
	b.Helper()
	return runTelling(b, s, "MODTAP_UPSTREAM=http://"+s.origin)
}

func startModtapMetrics(b *testing.B, s site) *proxy {
	b.Helper()
	p := runModtap(b, s, "MODTAP_UPSTREAM=http://"+s.origin, "MODTAP_LOG=off")
	p.told = func() string { return fmt.Sprintf("%d in the histogram of durations", counted(b, p.metrics)) }
	return p
}

func startModtapEmbedded(b *testing.B, s site) *proxy {
	b.Helper()
	p := runTelling(b, s, "MODTAP_EGRESS_UPSTREAM=http://"+s.origin, "GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=")
	p.rewrites = true // its .info is Version and Time only
	return p
}

func startNginx(b *testing.B, s site) *proxy {
	b.Helper()
	server := backends.Nginx(b, backends.NginxOptions{Config: fmt.Sprintf(nginxConfig, s.origin), Workers: runtime.NumCPU()})
	p := &proxy{address: host(b, server.URL), pid: server.PID}
	p.told = func() string { return strconv.Itoa(lines(b, server.Dir)) + " documents" }
	return p
}

const nginxConfig = `
log_format json escape=json '{"@timestamp":"$time_iso8601","http.request.method":"$request_method","http.response.status_code":$status,'
	'"http.response.body.bytes":$body_bytes_sent,"url.path":"$uri","client.address":"$remote_addr","user_agent.original":"$http_user_agent",'
	'"event.duration":$request_time,"upstream":{"address":"$upstream_addr","status":"$upstream_status","duration":"$upstream_response_time"}}';
upstream origin { server %s; keepalive 256; keepalive_requests 1000000000; }
server {
	listen 127.0.0.1:{{.Port}};
	keepalive_requests 1000000000;
	access_log {{.Dir}}/access.jsonl json;
	location / {
		proxy_pass http://origin;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
	}
}
`

func startEnvoy(b *testing.B, s site) *proxy {
	b.Helper()
	_, sink := peer(b, s.peer, "sink")
	server := backends.Envoy(b, backends.EnvoyOptions{Config: envoyConfig(s.origin, sink), Workers: runtime.NumCPU()})
	p := &proxy{address: host(b, server.URL), pid: server.PID}
	p.told = func() string { return fmt.Sprintf("%s spans, %d documents", spans(b, sink), lines(b, server.Dir)) }
	return p
}

func envoyConfig(origin, sink string) string {
	cluster := func(name, address string) string {
		host, port, _ := strings.Cut(address, ":")
		return fmt.Sprintf("{name: %s, type: STATIC, connect_timeout: 1s, load_assignment: {cluster_name: %[1]s, endpoints: [{lb_endpoints: [{endpoint: "+
			"{address: {socket_address: {address: %s, port_value: %s}}}}]}]}", name, host, port)
	}
	const http2 = `, typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {
  "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}`
	return `
static_resources:
  listeners:
  - name: ingress
    traffic_direction: INBOUND
    address: {socket_address: {address: 127.0.0.1, port_value: {{.Port}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config: {virtual_hosts: [{name: origin, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: origin, timeout: 0s}}]}]}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          tracing:
            provider:
              name: envoy.tracers.opentelemetry
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
                grpc_service: {envoy_grpc: {cluster_name: sink}}
                service_name: goproxy
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: "{{.Dir}}/access.jsonl"
              log_format:
                json_format:
                  "@timestamp": "%START_TIME%"
                  http.request.method: "%REQ(:METHOD)%"
                  http.response.status_code: "%RESPONSE_CODE%"
                  http.response.body.bytes: "%BYTES_SENT%"
                  url.path: "%REQ(:PATH)%"
                  client.address: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
                  user_agent.original: "%REQ(USER-AGENT)%"
                  event.duration: "%DURATION%"
                  trace.id: "%TRACE_ID%"
                  upstream: "%UPSTREAM_HOST%"
  clusters:
  - ` + cluster("origin", origin) + `}
  - ` + cluster("sink", sink) + http2 + `}
`
}

func host(b *testing.B, rawURL string) string {
	b.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(b, err)
	return u.Host
}

// spans returns how many server spans a sink has taken.
func spans(b *testing.B, sink string) string {
	b.Helper()
	body, err := fetch(b, "http://"+sink+"/spans")
	require.NoError(b, err)
	return strings.TrimSpace(string(body))
}

// lines counts the lines of all files below a directory.
func lines(b *testing.B, dir string) (n int) {
	b.Helper()
	root := os.DirFS(dir)
	require.NoError(b, fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, path)
		n += bytes.Count(content, []byte("\n"))
		return err
	}))
	return n
}

// counted returns how many requests Modtap's histogram of durations holds.
func counted(b *testing.B, metrics string) (n uint64) {
	b.Helper()
	body, err := fetch(b, metrics)
	require.NoError(b, err)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	require.NoError(b, err)
	for _, m := range families["http_server_request_duration_seconds"].GetMetric() {
		n += m.GetHistogram().GetSampleCount()
	}
	return n
}
