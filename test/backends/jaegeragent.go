// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// jaegerAgentRecipe builds the collector that stands in for Jaeger's agent.
var jaegerAgentRecipe = func() recipe {
	r := goRecipe("jaegeragent", "collector with Jaeger receiver 0.158.0", "3 min", ".")
	r.inputs = slices.Concat(r.inputs, []string{"jaegeragent/main.go"})
	return r
}()

// JaegerAgentServer is a running collector with contrib's Jaeger receiver. Jaeger 1.76 has no agent of its own.
type JaegerAgentServer struct {
	*Server
	// UDP is the address (host:port) that takes thrift in its compact protocol.
	UDP string
}

// JaegerAgent starts a collector that takes spans as Jaeger's agent did and forwards them over OTLP/gRPC to an address (host:port),
// such as [JaegerServer.OTLPGRPC].
func JaegerAgent(tb testing.TB, forward string) *JaegerAgentServer {
	tb.Helper()
	dir := need(tb, jaegerAgentRecipe)
	var udp string
	server := launch(tb, jaegerAgentRecipe.title, 2, func(_ string, ports []int) plan {
		http := loopback(ports[1])
		udp = loopback(ports[0])
		config := strings.NewReplacer("UDP", udp, "HTTP", http, "FORWARD", forward).Replace(jaegerAgentConfig)
		return plan{
			command: command{path: filepath.Join(dir, "jaegeragent"), args: []string{"--config", "yaml:" + config}},
			url:     "http://" + http,
			// The receiver listens on HTTP after it does on UDP.
			ready: accepts(http),
		}
	})
	return &JaegerAgentServer{Server: server, UDP: udp}
}

// jaegerAgentConfig has no queue: what is received is forwarded at once.
const jaegerAgentConfig = `
receivers:
  jaeger:
    protocols:
      thrift_compact: {endpoint: "UDP", queue_size: 10000, socket_buffer_size: 4194304}
      thrift_http: {endpoint: "HTTP"}
exporters:
  otlp_grpc: {endpoint: "FORWARD", tls: {insecure: true}, sending_queue: {enabled: false}}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    traces: {receivers: [jaeger], exporters: [otlp_grpc]}
`
