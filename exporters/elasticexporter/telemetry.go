// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
)

const scopeName = "github.com/modtap/modtap/exporters/elasticexporter"

// telemetry counts documents by what became of them.
type telemetry struct {
	exporter attribute.KeyValue

	rejected, lost, retried, duplicate metric.Int64Counter
}

func newTelemetry(set exporter.Settings) (*telemetry, error) {
	t := &telemetry{exporter: attribute.String("exporter", set.ID.String())}
	meter := set.MeterProvider.Meter(scopeName)
	var errs []error
	for _, c := range []struct {
		counter           *metric.Int64Counter
		name, description string
	}{
		{&t.rejected, "rejected", "Documents that Elasticsearch refused for their content."},
		{&t.lost, "lost", "Documents that Elasticsearch refused for their content and that the dead-letter file doesn't hold, by reason."},
		{&t.retried, "retried", "Documents that Elasticsearch did not take for now and that are sent again, once for each attempt."},
		{&t.duplicate, "duplicate", "Documents that Elasticsearch had already, from an attempt whose answer got lost."},
	} {
		var err error
		*c.counter, err = meter.Int64Counter("otelcol_exporter_elastic_"+c.name+"_documents",
			metric.WithUnit("{document}"), metric.WithDescription(c.description))
		errs = append(errs, err)
	}
	return t, errors.Join(errs...)
}

func (t *telemetry) countRejected(ctx context.Context, kind string) {
	t.rejected.Add(ctx, 1, metric.WithAttributes(t.exporter, semconv.ErrorTypeKey.String(kind)))
}

func (t *telemetry) countLost(ctx context.Context, reason string, n int) {
	t.lost.Add(ctx, int64(n), metric.WithAttributes(t.exporter, attribute.String("reason", reason)))
}

func (t *telemetry) countRetried(ctx context.Context, byKind map[string]int) {
	for kind, n := range byKind {
		t.retried.Add(ctx, int64(n), metric.WithAttributes(t.exporter, semconv.ErrorTypeKey.String(kind)))
	}
}

func (t *telemetry) countDuplicates(ctx context.Context, n int) {
	if n > 0 {
		t.duplicate.Add(ctx, int64(n), metric.WithAttributes(t.exporter))
	}
}
