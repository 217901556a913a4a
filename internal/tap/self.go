// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/modtap/modtap/internal/journal"
)

// selfMetrics are the engine's own metrics.
type selfMetrics struct {
	service attribute.KeyValue // of the observed proxy; service.name is Modtap's own
	meter   metric.Meter
	lost    metric.Int64Counter
	stop    func() error // ends the reading of the gauges; nil: they aren't read
}

// Why something is lost.
const (
	reasonRefused = "refused" // by the consumer
	reasonFull    = "full"    // the journal, before it was read
	reasonDamaged = "damaged" // places in the journal; how many records stood there can't be known
)

func newSelfMetrics(t component.TelemetrySettings, service string) (*selfMetrics, error) {
	meter := t.MeterProvider.Meter("github.com/modtap/modtap/internal/tap")
	lost, err := meter.Int64Counter("otelcol_receiver_goproxy_lost",
		metric.WithDescription("Exchanges, or records of them in the journal, that weren't told."),
		metric.WithUnit("{exchange}"))
	s := &selfMetrics{service: attribute.String("goproxy.service.name", service), meter: meter, lost: lost}
	if err == nil { // an alert can be checked before there is a loss
		for _, name := range []string{"traces", "logs"} {
			s.dropped(0, name, reasonRefused)
		}
		s.dropped(0, "journal", reasonFull)
		s.dropped(0, "journal", reasonDamaged)
	}
	return s, err
}

// dropped counts what one signal lost and why.
func (s *selfMetrics) dropped(n int64, signal, reason string) {
	s.lost.Add(context.Background(), n, metric.WithAttributes(s.service,
		attribute.String("signal", signal), attribute.String("reason", reason)))
}

// read begins to read the journal's size, and how much of each signal waits and
// for how long.
func (s *selfMetrics) read(j journal.Journal, queues map[string]*queue) error {
	size, err := s.meter.Int64ObservableGauge("otelcol_receiver_goproxy_journal_size",
		metric.WithDescription("Bytes that the journal's records take."), metric.WithUnit("By"))
	if err != nil {
		return err
	}
	limit, err := s.meter.Int64ObservableGauge("otelcol_receiver_goproxy_journal_max_size",
		metric.WithDescription("Bytes that they may take."), metric.WithUnit("By"))
	if err != nil {
		return err
	}
	waiting, err := s.meter.Int64ObservableGauge("otelcol_receiver_goproxy_waiting",
		metric.WithDescription("Exchanges and sessions that wait to be handed to a signal's exporters."), metric.WithUnit("{exchange}"))
	if err != nil {
		return err
	}
	age, err := s.meter.Float64ObservableGauge("otelcol_receiver_goproxy_oldest_age",
		metric.WithDescription("How long ago the oldest of them ended."), metric.WithUnit("s"))
	if err != nil {
		return err
	}
	own := metric.WithAttributes(s.service)
	registration, err := s.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		status := j.Status()
		o.ObserveInt64(size, status.Size, own)
		o.ObserveInt64(limit, status.MaxSize, own)
		for name, q := range queues {
			attributes := metric.WithAttributes(s.service, attribute.String("signal", name))
			n, oldest := q.waiting()
			o.ObserveInt64(waiting, int64(n), attributes)
			seconds := 0.0
			if !oldest.IsZero() {
				seconds = max(0, time.Since(oldest).Seconds())
			}
			o.ObserveFloat64(age, seconds, attributes)
		}
		return nil
	}, size, limit, waiting, age)
	if err == nil {
		s.stop = registration.Unregister
	}
	return err
}

// close ends the reading.
func (s *selfMetrics) close() error {
	if s.stop == nil {
		return nil
	}
	return s.stop()
}
