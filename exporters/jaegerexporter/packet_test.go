// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uber/jaeger-client-go/thrift"
	"github.com/uber/jaeger-client-go/thrift-gen/agent"
	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// TestFitIsExact packs varied spans at many limits: each packet is as long as told,
// none is longer than the limit, and one more span would have been too much.
func TestFitIsExact(t *testing.T) {
	for _, inResource := range varied(2, 300, began()).ResourceSpans().All() {
		batch := newBatch(inResource)
		for len(batch.Spans) < 40 { // More than the 14 that a list's short header counts.
			batch.Spans = append(batch.Spans, batch.Spans...)
		}
		for _, limit := range []int{minPacketSize, 700, 1500, 4000, 20000, maxPacketSize} {
			p := newPacker(limit)
			for at := 0; at < len(batch.Spans); {
				n, size, err := p.fit(t.Context(), batch.Process, batch.Spans[at:])
				require.NoError(t, err)
				alone := max(n, 1) // What doesn't fit alone is measured, too.
				packet, err := p.pack(t.Context(), &jaeger.Batch{Process: batch.Process, Spans: batch.Spans[at : at+alone]})
				require.NoError(t, err)
				require.Len(t, packet, size)
				if n == 0 {
					require.Greater(t, size, limit)
				} else {
					require.LessOrEqual(t, size, limit)
				}
				if n > 0 && at+n < len(batch.Spans) {
					packet, err = p.pack(t.Context(), &jaeger.Batch{Process: batch.Process, Spans: batch.Spans[at : at+n+1]})
					require.NoError(t, err)
					require.Greater(t, len(packet), limit)
				}
				at += alone
			}
		}
	}
}

// readPacket is the agent's half.
func readPacket(t testing.TB, packet []byte) *jaeger.Batch {
	t.Helper()
	buffer := thrift.NewTMemoryBuffer()
	buffer.Write(packet)
	protocol := thrift.NewTCompactProtocolConf(buffer, nil)
	name, kind, _, err := protocol.ReadMessageBegin(t.Context())
	require.NoError(t, err)
	assert.Equal(t, emitBatch, name)
	assert.Equal(t, thrift.ONEWAY, kind)
	args := agent.NewAgentEmitBatchArgs()
	require.NoError(t, args.Read(t.Context(), protocol))
	assert.Zero(t, buffer.Len(), "nothing follows")
	return args.Batch
}

// FuzzTranslate makes spans out of any OTLP bytes: nothing panics, and both
// protocols give back what went in.
func FuzzTranslate(f *testing.F) {
	marshal := new(ptrace.ProtoMarshaler)
	for seed := range uint64(5) {
		bytes, err := marshal.MarshalTraces(varied(seed, 3, time.Unix(1e9, 0)))
		require.NoError(f, err)
		f.Add(bytes)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		traces, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(data)
		if err != nil {
			return
		}
		for _, inResource := range traces.ResourceSpans().All() {
			batch := newBatch(inResource)
			if len(batch.Spans) == 0 {
				continue
			}
			p := newPacker(maxPacketSize)
			packet, err := p.pack(t.Context(), batch)
			require.NoError(t, err)
			read := readPacket(t, packet)
			require.Len(t, read.Spans, len(batch.Spans))
			n, size, err := p.fit(t.Context(), batch.Process, batch.Spans[:1])
			require.NoError(t, err)
			require.Equal(t, n == 1, size <= maxPacketSize)
			body, err := encodeBatch(t.Context(), batch)
			require.NoError(t, err)
			require.NotEmpty(t, body)
		}
	})
}

// listenUDP is an agent that keeps its packets.
func listenUDP(t *testing.T, address string) *net.UDPConn {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", address)
	require.NoError(t, err)
	conn, err := net.ListenUDP("udp", to)
	require.NoError(t, err)
	require.NoError(t, conn.SetReadBuffer(4<<20))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func receivePacket(t *testing.T, conn *net.UDPConn) []byte {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	packet := make([]byte, 1<<16)
	n, err := conn.Read(packet)
	require.NoError(t, err)
	return packet[:n]
}

// measured is telemetry whose counters a test can read.
func measured(t *testing.T) *componenttest.Telemetry {
	t.Helper()
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.WithoutCancel(t.Context()))) })
	return telemetry
}

// counted returns a counter's value by reason; a counter without reasons has "".
func counted(t *testing.T, telemetry *componenttest.Telemetry, name string) map[string]int64 {
	t.Helper()
	by := make(map[string]int64)
	got, err := telemetry.GetMetric(name)
	if err != nil {
		return by
	}
	for _, point := range got.Data.(metricdata.Sum[int64]).DataPoints {
		reason, _ := point.Attributes.Value("reason")
		by[reason.AsString()] += point.Value
	}
	return by
}

// start is startExporter with telemetry and a host of the test's.
func start(t *testing.T, telemetry *componenttest.Telemetry, host component.Host, yaml string) exporter.Traces {
	t.Helper()
	set := exportertest.NewNopSettings(componentType)
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	return startExporterAs(t, NewFactory(), set, host, yaml)
}

func TestUDPDropsAndCountsWhatIsLargerThanAPacket(t *testing.T) {
	agent := listenUDP(t, "127.0.0.1:0")
	telemetry := measured(t)
	e := start(t, telemetry, componenttest.NewNopHost(),
		"endpoint: udp://"+agent.LocalAddr().String()+"\nmax_packet_size: 2000\nsending_queue: {enabled: false}")
	traces := varied(3, 60, began())
	large := traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().AppendEmpty()
	large.SetName("large")
	large.Attributes().PutStr("long", strings.Repeat("x", 2000))

	require.NoError(t, e.ConsumeTraces(t.Context(), traces))

	assert.Equal(t, map[string]int64{reasonTooLarge: 1}, counted(t, telemetry, "otelcol_exporter_jaeger_dropped_spans"))
	var names []string
	for len(names) < 60 {
		packet := receivePacket(t, agent)
		assert.LessOrEqual(t, len(packet), 2000)
		for _, span := range readPacket(t, packet).Spans {
			names = append(names, span.OperationName)
		}
	}
	var want []string
	eachSpan(traces, func(_ pcommon.Resource, span ptrace.Span) {
		if span.Name() != "large" {
			want = append(want, span.Name())
		}
	})
	assert.Equal(t, want, names, "all others, once, in their order")
}

func TestUDPNobodyListens(t *testing.T) {
	agent := listenUDP(t, "127.0.0.1:0")
	address := agent.LocalAddr().String()
	require.NoError(t, agent.Close())
	host := &statusHost{Host: componenttest.NewNopHost()}
	e := start(t, measured(t), host, "endpoint: udp://"+address+"\nsending_queue: {enabled: false}\nretry_on_failure: {initial_interval: 50ms}")
	traces := varied(4, 10, began())
	sent := make(chan error, 1)
	go func() { sent <- e.ConsumeTraces(t.Context(), traces) }()
	require.Eventually(t, func() bool { return host.last() == "StatusRecoverableError" }, time.Minute, time.Millisecond, "it says so")
	assert.Empty(t, sent, "and keeps them")

	agent = listenUDP(t, address)

	require.NoError(t, <-sent)
	got := 0
	for got < 10 {
		got += len(readPacket(t, receivePacket(t, agent)).Spans)
	}
	assert.Equal(t, 10, got, "nothing lost, nothing twice")
	assert.Equal(t, "StatusOK", host.last())
}
