// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/journal"
)

// selfMetrics are the engine's own metrics.
type selfMetrics struct {
	of    []attribute.KeyValue // the receiver, and the observed proxy: service.name is Modtap's own
	meter metric.Meter
	lost  metric.Int64Counter
	stop  func() error // ends the reading of the gauges; nil: they aren't read
}

// Why something is lost.
const (
	reasonRefused = "refused" // by the consumer
	reasonFull    = "full"    // the journal, before it was read
	reasonDamaged = "damaged" // places in the journal; how many records stood there can't be known
)

func newSelfMetrics(s *Settings) (*selfMetrics, error) {
	meter := s.Telemetry.MeterProvider.Meter("github.com/modtap/modtap/internal/tap")
	lost, err := meter.Int64Counter("otelcol_receiver_exchange_lost",
		metric.WithDescription("Exchanges that a receiver captured and that never reached the exporters of a signal, by reason: refused by them; full, as the journal had no room; damaged, which counts places in the journal, as how many exchanges stood there can't be known."),
		metric.WithUnit("{exchange}"))
	m := &selfMetrics{meter: meter, lost: lost, of: []attribute.KeyValue{
		attribute.Stringer("receiver", s.Receiver), attribute.String("goproxy.service.name", s.Resource.ServiceName),
	}}
	if err == nil { // an alert can be checked before there is a loss
		for _, name := range []string{"traces", "logs"} {
			m.dropped(0, name, reasonRefused)
		}
		m.dropped(0, "journal", reasonFull)
		m.dropped(0, "journal", reasonDamaged)
	}
	return m, err
}

// dropped counts what one signal lost and why.
func (s *selfMetrics) dropped(n int64, signal, reason string) {
	s.lost.Add(context.Background(), n, s.with(attribute.String("signal", signal), attribute.String("reason", reason)))
}

func (s *selfMetrics) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(more, s.of...)...)
}

// read begins to read the journal's size, and how much of each signal waits and
// for how long by the engine's clock.
func (s *selfMetrics) read(j journal.Journal, queues map[string]*queue, now func() exchange.Time) error {
	size, err := s.meter.Int64ObservableGauge("otelcol_receiver_exchange_journal_size",
		metric.WithDescription("Bytes that the records in a receiver's journal take: of exchanges that not every signal's exporters were handed yet."), metric.WithUnit("By"))
	if err != nil {
		return err
	}
	limit, err := s.meter.Int64ObservableGauge("otelcol_receiver_exchange_journal_max_size",
		metric.WithDescription("Bytes that the records in a receiver's journal may take; beyond, the oldest ones are lost."), metric.WithUnit("By"))
	if err != nil {
		return err
	}
	waiting, err := s.meter.Int64ObservableGauge("otelcol_receiver_exchange_waiting",
		metric.WithDescription("Exchanges and build sessions of a receiver that wait to be handed to a signal's exporters."), metric.WithUnit("{exchange}"))
	if err != nil {
		return err
	}
	age, err := s.meter.Float64ObservableGauge("otelcol_receiver_exchange_oldest_age",
		metric.WithDescription("How long ago the oldest exchange or build session ended that waits to be handed to a signal's exporters; 0 if none waits."), metric.WithUnit("s"))
	if err != nil {
		return err
	}
	own := s.with()
	registration, err := s.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		status := j.Status()
		o.ObserveInt64(size, status.Size, own)
		o.ObserveInt64(limit, status.MaxSize, own)
		for name, q := range queues {
			attributes := s.with(attribute.String("signal", name))
			n, oldest := q.waiting()
			o.ObserveInt64(waiting, int64(n), attributes)
			seconds := 0.0
			if !oldest.IsZero() {
				seconds = max(0, now().Time().Sub(oldest).Seconds())
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
