// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// picky takes a request and refuses some of its spans.
type picky struct {
	ptraceotlp.UnimplementedGRPCServer
	refused atomic.Int64
}

func (p *picky) answer() ptraceotlp.ExportResponse {
	answer := ptraceotlp.NewExportResponse()
	if n := p.refused.Load(); n > 0 {
		answer.PartialSuccess().SetRejectedSpans(n)
		answer.PartialSuccess().SetErrorMessage("too old")
	}
	return answer
}

func (p *picky) Export(context.Context, ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	return p.answer(), nil
}

func (p *picky) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	text, err := p.answer().MarshalProto()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(text) // the client left
}

// TestPartialSuccess: what a backend refuses of a request that it takes is counted, and reported until one is taken as a whole. With
// upstream's real exporters and servers.
func TestPartialSuccess(t *testing.T) {
	p := &picky{}
	overHTTP := httptest.NewServer(p)
	t.Cleanup(overHTTP.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	overGRPC := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(overGRPC, p)
	served := make(chan struct{})
	go func() { defer close(served); _ = overGRPC.Serve(l) }()
	t.Cleanup(func() { overGRPC.Stop(); <-served })
	for _, f := range []exporter.Factory{otlphttpexporter.NewFactory(), otlpexporter.NewFactory()} {
		t.Run(f.Type().String(), func(t *testing.T) {
			p.refused.Store(0)
			cfg := f.CreateDefaultConfig()
			switch c := cfg.(type) {
			case *otlphttpexporter.Config:
				c.ClientConfig.Endpoint, c.ClientConfig.DisableKeepAlives = overHTTP.URL, true
				c.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
			case *otlpexporter.Config:
				c.ClientConfig.Endpoint, c.ClientConfig.TLS.Insecure = l.Addr().String(), true
				c.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
			}
			core, logged := observer.New(zapcore.WarnLevel)
			reader := sdkmetric.NewManualReader()
			set := exportertest.NewNopSettings(f.Type())
			set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
			set.Logger = zap.New(core)
			e, err := Factory(f).CreateTraces(t.Context(), set, cfg)
			require.NoError(t, err)
			h := &host{}
			require.NoError(t, e.Start(t.Context(), h))
			t.Cleanup(func() { assert.NoError(t, e.Shutdown(context.Background())) })
			send := func() {
				td := ptrace.NewTraces()
				td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
				require.NoError(t, e.ConsumeTraces(t.Context(), td))
			}
			send()
			p.refused.Store(3)
			send()
			send()
			state, text := h.now()
			assert.Equal(t, componentstatus.StatusRecoverableError, state)
			assert.Contains(t, text, "refused 3 of the items of a request: too old")
			assert.InDelta(t, 6, values(t, reader)["otelcol_exporter_dropped_items refused"], 0)
			assert.Equal(t, 1, logged.Len(), "once a minute")
			p.refused.Store(0)
			send()
			state, _ = h.now()
			assert.Equal(t, componentstatus.StatusOK, state)
		})
	}
}

// unchanged is the collector's tracer where nobody traces it: it leaves the context as it is.
type unchanged struct{ trace.TracerProvider }

func (unchanged) Tracer(string, ...trace.TracerOption) trace.Tracer { return unchangedTracer{} }

type unchangedTracer struct{ trace.Tracer }

func (unchangedTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, noop.Span{}
}

// TestLibrariesBelow: the span of an attempt is the helper's alone, also where the collector's tracer is one of nothing.
func TestLibrariesBelow(t *testing.T) {
	w := &watch{running: make(map[*attempt]struct{})}
	p := provider{TracerProvider: unchanged{}, watch: w}
	ctx, own := p.Tracer(helperScope).Start(t.Context(), spanPrefix+"x")
	assert.Same(t, own, trace.SpanFromContext(ctx))
	below, _ := p.Tracer("a library").Start(ctx, "GET")
	assert.NotEqual(t, own, trace.SpanFromContext(below), "or the library ends it")
}
