// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/test/backends"
)

// startExporter starts an exporter with a configuration in YAML; it ends with the
// test.
func startExporter(t *testing.T, factory exporter.Factory, yaml string) exporter.Traces {
	t.Helper()
	return startExporterAs(t, factory, exportertest.NewNopSettings(factory.Type()), componenttest.NewNopHost(), yaml)
}

func startExporterAs(t *testing.T, factory exporter.Factory, set exporter.Settings, host component.Host, yaml string) exporter.Traces {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	cfg := factory.CreateDefaultConfig()
	require.NoError(t, conf.Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))
	e, err := factory.CreateTraces(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), host))
	t.Cleanup(func() { assert.NoError(t, e.Shutdown(context.WithoutCancel(t.Context()))) })
	return e
}

// comparedSpans is how many spans the transports are compared by.
const comparedSpans = 500

// A transport is a way from pdata into a Jaeger's storage.
type transport struct {
	start func(*testing.T, *backends.JaegerServer) exporter.Traces
	// differs makes the span that is expected out of what Jaeger has of it after
	// OTLP/gRPC. Nil: both are equal. The README lists the same differences.
	differs func(sent ptrace.Span, span *backends.Span)
}

var transports = map[string]transport{
	"OTLP HTTP": {
		start: func(t *testing.T, to *backends.JaegerServer) exporter.Traces {
			return startExporter(t, otlphttpexporter.NewFactory(), "endpoint: "+to.OTLPHTTP+"\nsending_queue: {enabled: false}")
		},
	},
	"thrift HTTP": {
		start: func(t *testing.T, to *backends.JaegerServer) exporter.Traces {
			return startExporter(t, NewFactory(), "endpoint: "+to.Thrift+"/api/traces\nsending_queue: {enabled: false}")
		},
		differs: func(sent ptrace.Span, span *backends.Span) {
			tellDropped(sent, span)
			span.Tags["@jaeger@format"] = "jaeger" // The collector's own mark of what came as thrift.
			span.Warnings = nil
			if belowMicrosecond(sent) { // The collector takes the 0 that is left for a fault, and tells it by a binary tag.
				span.Tags["InvalidNegativeDuration"] = base64.StdEncoding.EncodeToString(
					[]byte("Duration can't be negative, so it is changed to default value"))
			}
		},
	},
	"thrift UDP": {
		start: func(t *testing.T, to *backends.JaegerServer) exporter.Traces {
			agent := backends.JaegerAgent(t, to.OTLPGRPC)
			return startExporter(t, NewFactory(), "endpoint: udp://"+agent.UDP+"\nsending_queue: {enabled: false}")
		},
		differs: func(sent ptrace.Span, span *backends.Span) {
			tellDropped(sent, span)
			if belowMicrosecond(sent) { // As above, but the agent forwarded it over OTLP, so it is a warning.
				span.Warnings = []string{durationWarning}
			}
		},
	},
}

// tellDropped adds the counts of what a span's source dropped, which Jaeger's OTLP
// ingest leaves out.
func tellDropped(sent ptrace.Span, span *backends.Span) {
	tell := func(to map[string]any, key string, count uint32) {
		if count > 0 {
			to[key] = int64(count)
		}
	}
	tell(span.Tags, "otel.dropped_attributes_count", sent.DroppedAttributesCount())
	tell(span.Tags, "otel.dropped_events_count", sent.DroppedEventsCount())
	tell(span.Tags, "otel.dropped_links_count", sent.DroppedLinksCount())
	for i, event := range sent.Events().All() {
		tell(span.Events[i].Fields, "otel.dropped_attributes_count", event.DroppedAttributesCount())
	}
}

// durationWarning is how Jaeger's OTLP ingest begins to warn of a span that took no
// time; the times follow.
const durationWarning = "Negative duration detected"

// storedWarnings leaves out what the query API itself finds, clock skew, and the
// times in what is stored: OTLP tells them in nanoseconds and thrift in microseconds.
func storedWarnings(warnings []string) []string {
	var stored []string
	for _, warning := range warnings {
		switch {
		case strings.HasPrefix(warning, "clock skew"):
		case strings.HasPrefix(warning, durationWarning):
			stored = append(stored, durationWarning)
		default:
			stored = append(stored, warning)
		}
	}
	return stored
}

func belowMicrosecond(sent ptrace.Span) bool {
	return sent.EndTimestamp().AsTime().Sub(sent.StartTimestamp().AsTime()) < time.Microsecond
}

// TestTransports sends the same spans by four transports to a Jaeger each, and
// compares what its query API gives, field by field.
func TestTransports(t *testing.T) {
	traces := varied(1, comparedSpans, began())
	sent := make(map[string]ptrace.Span)
	eachSpan(traces, func(_ pcommon.Resource, span ptrace.Span) { sent[key(span)] = span })
	require.Len(t, sent, comparedSpans)
	reference := received(t, traces, func(t *testing.T, to *backends.JaegerServer) exporter.Traces {
		return startExporter(t, otlpexporter.NewFactory(), "endpoint: "+to.OTLPGRPC+"\ntls: {insecure: true}\nsending_queue: {enabled: false}")
	})
	require.Len(t, reference, comparedSpans)
	for name, by := range transports {
		t.Run(name, func(t *testing.T) {
			got := received(t, traces, by.start)
			require.Len(t, got, comparedSpans)
			for id, span := range sent {
				want, has := cloneSpan(reference[id]), got[id]
				if by.differs != nil {
					want.Warnings, has.Warnings = storedWarnings(want.Warnings), storedWarnings(has.Warnings)
					by.differs(span, &want)
				}
				require.Equal(t, want, has)
			}
		})
	}
}

// key is how the tests name a span.
func key(span ptrace.Span) string { return span.TraceID().String() + "/" + span.SpanID().String() }

func cloneSpan(span backends.Span) backends.Span {
	span.Tags = maps.Clone(span.Tags)
	span.Events = slices.Clone(span.Events)
	for i := range span.Events {
		span.Events[i].Fields = maps.Clone(span.Events[i].Fields)
	}
	return span
}

// received sends traces to a Jaeger of their own and returns the spans that it has
// then, by id.
func received(t *testing.T, traces ptrace.Traces, start func(*testing.T, *backends.JaegerServer) exporter.Traces) map[string]backends.Span {
	t.Helper()
	jaeger := backends.Jaeger(t)
	require.NoError(t, start(t, jaeger).ConsumeTraces(t.Context(), traces))
	var spans map[string]backends.Span
	backends.Await(t, time.Minute, "all spans", func() bool {
		spans = stored(t, jaeger, "goproxy", "агент")
		return len(spans) == traces.SpanCount()
	})
	return spans
}

// stored returns the spans of services, by id.
func stored(t *testing.T, jaeger *backends.JaegerServer, services ...string) map[string]backends.Span {
	t.Helper()
	spans := make(map[string]backends.Span)
	for _, service := range services {
		for _, trace := range jaeger.Traces(t, service, 10*comparedSpans) {
			for _, span := range trace.Spans {
				spans[span.TraceID+"/"+span.SpanID] = span
			}
		}
	}
	return spans
}
