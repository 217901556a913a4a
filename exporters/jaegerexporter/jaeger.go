// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const scopeName = "github.com/modtap/modtap/exporters/jaegerexporter"

// Why spans are given up, as the metric's attribute "reason" tells it.
const (
	reasonTooLarge      = "span_too_large"   // One span is larger than a packet or a request may be.
	reasonPacketRefused = "packet_too_large" // The system doesn't send packets of max_packet_size.
	reasonRefused       = "refused"          // Jaeger can't read them, and won't the next time.
)

// A sender brings spans to Jaeger.
type sender interface {
	// send returns how many spans of a batch, from the first on, are done with:
	// sent, or given up and counted. An error is about the rest, which may be sent
	// again.
	send(ctx context.Context, batch *jaeger.Batch) (done int, err error)
	close()
}

// giveUp counts spans that will never arrive, and tells why.
type giveUp func(ctx context.Context, spans int, reason string, err error)

type jaegerExporter struct {
	cfg      *Config
	set      exporter.Settings
	logger   *zap.Logger // Each message once a minute.
	dropped  metric.Int64Counter
	endpoint *url.URL
	sender   sender // Nil before the start.
	health   *health
}

func newExporter(cfg *Config, set exporter.Settings) (*jaegerExporter, error) {
	dropped, err := set.MeterProvider.Meter(scopeName).Int64Counter(
		"otelcol_exporter_jaeger_dropped_spans",
		metric.WithUnit("{span}"),
		metric.WithDescription("Spans that the Jaeger exporter gave up since Jaeger can't take them, by reason."),
	)
	if err != nil {
		return nil, err
	}
	endpoint, err := parseEndpoint(cfg.ClientConfig.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("exporters::%s::endpoint: %w", set.ID, err)
	}
	return &jaegerExporter{cfg: cfg, set: set, logger: onceAMinute(set.Logger), dropped: dropped, endpoint: endpoint}, nil
}

// onceAMinute lets each message of a kind through once a minute.
func onceAMinute(logger *zap.Logger) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
	}))
}

// start asks nothing of Jaeger: one that is down must not stop Modtap.
func (e *jaegerExporter) start(ctx context.Context, host component.Host) error {
	if e.sender != nil {
		return nil
	}
	if e.endpoint.Scheme == "udp" {
		e.sender = newUDPSender(e.endpoint.Host, e.cfg.MaxPacketSize, e.giveUp)
	} else {
		client, err := newClient(ctx, e.cfg, host, e.set.TelemetrySettings)
		if err != nil {
			return fmt.Errorf("exporters::%s: %w", e.set.ID, err)
		}
		e.sender = &httpSender{target: newTarget(e.endpoint), client: client, giveUp: e.giveUp}
	}
	e.health = newHealth(host)
	return nil
}

func (e *jaegerExporter) shutdown(context.Context) error {
	if e.sender != nil {
		e.sender.close()
	}
	return nil
}

// pushTraces sends what it can of traces. The error carries what is left to be
// sent, so that what arrived isn't sent twice.
func (e *jaegerExporter) pushTraces(ctx context.Context, traces ptrace.Traces) error {
	settled := 0
	for _, inResource := range traces.ResourceSpans().All() {
		batch := newBatch(inResource)
		if len(batch.Spans) == 0 {
			continue
		}
		done, err := e.sender.send(ctx, batch)
		settled += done
		if err != nil {
			e.health.failed(err)
			return consumererror.NewTraces(err, without(traces, settled))
		}
	}
	if settled > 0 {
		e.health.worked()
	}
	return nil
}

func (e *jaegerExporter) giveUp(ctx context.Context, spans int, reason string, err error) {
	e.dropped.Add(ctx, int64(spans), metric.WithAttributes(
		attribute.String("exporter", e.set.ID.String()),
		attribute.String("reason", reason),
	))
	e.logger.Warn("Spans can't be sent to Jaeger; they are dropped, and so are others that aren't told within the minute",
		zap.Int("spans", spans), zap.String("reason", reason), zap.Error(err))
}

// without copies traces but for their first spans.
func without(traces ptrace.Traces, first int) ptrace.Traces {
	rest := ptrace.NewTraces()
	traces.CopyTo(rest)
	seen := 0
	rest.ResourceSpans().RemoveIf(func(inResource ptrace.ResourceSpans) bool {
		inResource.ScopeSpans().RemoveIf(func(inScope ptrace.ScopeSpans) bool {
			inScope.Spans().RemoveIf(func(ptrace.Span) bool {
				seen++
				return seen <= first
			})
			return inScope.Spans().Len() == 0
		})
		return inResource.ScopeSpans().Len() == 0
	})
	return rest
}
