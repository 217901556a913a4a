// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// selfMetrics are the engine's own metrics.
type selfMetrics struct {
	service attribute.KeyValue // of the observed proxy; service.name is Modtap's own
	lost    metric.Int64Counter
}

func newSelfMetrics(t component.TelemetrySettings, service string) (*selfMetrics, error) {
	meter := t.MeterProvider.Meter("github.com/modtap/modtap/internal/tap")
	lost, err := meter.Int64Counter("otelcol_receiver_goproxy_lost",
		metric.WithDescription("Exchanges, or records of them in the journal, that weren't told."),
		metric.WithUnit("{exchange}"))
	s := &selfMetrics{service: attribute.String("goproxy.service.name", service), lost: lost}
	if err == nil {
		for _, name := range []string{"traces", "metrics", "logs"} {
			s.dropped(0, name, "refused") // an alert can be checked before there is a loss
		}
	}
	return s, err
}

// dropped counts what one signal lost and why.
func (s *selfMetrics) dropped(n int64, signal, reason string) {
	s.lost.Add(context.Background(), n, metric.WithAttributes(s.service,
		attribute.String("signal", signal), attribute.String("reason", reason)))
}
