// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pipeline"
)

// Scope is the instrumentation scope of this package's metrics.
const Scope = "github.com/modtap/modtap/collector/exporterwatch"

// Why an exporter dropped something.
const (
	reasonQueueFull = "queue_full" // the queue had no room for it
	reasonRefused   = "refused"    // the backend refused it for good
	reasonGivenUp   = "given_up"   // it was tried for max_elapsed_time, or only once
	// ReasonQueueDamaged is that it couldn't be read from a damaged queue file.
	ReasonQueueDamaged = "queue_damaged"
)

// buckets of the time that an attempt takes, in seconds: a local backend answers in milliseconds, a hanging one
// after the time-out.
var buckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// meters are the metrics of one exporter and signal. Names and labels are those of upstream's exporter helper.
type meters struct {
	duration metric.Float64Histogram
	failed   metric.Int64Counter
	drops    metric.Int64Counter
	of       []attribute.KeyValue
}

// Of returns the labels that name an exporter and one of its signals.
func Of(id component.ID, signal string) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("exporter", id.String()), attribute.String("data_type", signal)}
}

func newMeters(set component.TelemetrySettings, id component.ID, signal pipeline.Signal) (*meters, error) {
	meter := set.MeterProvider.Meter(Scope)
	m := &meters{of: Of(id, signal.String())}
	var err error
	if m.duration, err = meter.Float64Histogram("otelcol_exporter_send_duration", metric.WithUnit("s"),
		metric.WithDescription("Time that an exporter took for one attempt to send a request to its backend, by outcome."),
		metric.WithExplicitBucketBoundaries(buckets...)); err != nil {
		return nil, err
	}
	if m.failed, err = meter.Int64Counter("otelcol_exporter_send_failed_attempts", metric.WithUnit("{attempts}"),
		metric.WithDescription("Number of an exporter's failed attempts to send a request to its backend, those that are repeated included.")); err != nil {
		return nil, err
	}
	if m.drops, err = Drops(meter); err != nil {
		return nil, err
	}
	// Shown before there is one: a rate needs the zero.
	m.failed.Add(context.Background(), 0, m.with())
	for _, reason := range []string{reasonQueueFull, reasonRefused, reasonGivenUp} {
		m.dropped(context.Background(), 0, reason)
	}
	return m, nil
}

// Drops returns the counter of what exporters dropped, by the labels of [Of] and the reason.
func Drops(meter metric.Meter) (metric.Int64Counter, error) {
	return meter.Int64Counter("otelcol_exporter_dropped_items", metric.WithUnit("{items}"),
		metric.WithDescription("Number of spans, metric points or log records that an exporter dropped and its backend doesn't have, by reason."))
}

func (m *meters) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(more, m.of...)...)
}

func (m *meters) attempted(ctx context.Context, took time.Duration, failed bool) {
	outcome := "success"
	if failed {
		outcome = "failure"
		m.failed.Add(ctx, 1, m.with())
	}
	m.duration.Record(ctx, took.Seconds(), m.with(attribute.String("outcome", outcome)))
}

func (m *meters) dropped(ctx context.Context, items int, reason string) {
	m.drops.Add(ctx, int64(items), m.with(attribute.String("reason", reason)))
}
