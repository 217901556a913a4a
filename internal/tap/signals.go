// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"

	"github.com/modtap/modtap/internal/signal"
)

// The signals' names, which their cursors are kept under.
const (
	tracesSignal  = "traces"
	logsSignal    = "logs"
	metricsSignal = "metrics"
)

// teller tells one signal, from its own queue.
type teller struct {
	*queue
	run    func()
	cancel func() // ends run soon, with what it has
}

// newTellers returns a teller for each signal that has a consumer, by name.
func (e *Engine) newTellers(from *checkpoint) map[string]teller {
	tellers := make(map[string]teller)
	resource, to := e.settings.Resource, e.settings.Consumers
	if to.Traces != nil {
		b := e.newBatches(tracesSignal, (*signal.Told).HasSpan, func(ctx context.Context, batch []*signal.Told) error {
			return to.Traces.ConsumeTraces(ctx, signal.Traces(resource, batch))
		})
		tellers[tracesSignal] = teller{b.queue, b.run, b.cancel}
	}
	if to.Logs != nil {
		b := e.newBatches(logsSignal, (*signal.Told).HasRecord, func(ctx context.Context, batch []*signal.Told) error {
			return to.Logs.ConsumeLogs(ctx, signal.Logs(resource, batch))
		})
		tellers[logsSignal] = teller{b.queue, b.run, b.cancel}
	}
	if to.Metrics != nil {
		s := e.newSnapshots(e.newMetrics(from))
		tellers[metricsSignal] = teller{s.queue, s.run, s.cancel}
	}
	return tellers
}

// newMetrics returns what from has counted, or else metrics that count from now on.
func (e *Engine) newMetrics(from *checkpoint) *signal.Metrics {
	m := signal.NewMetrics(e.settings.Resource, e.settings.Buckets, e.clock.start)
	if h := e.settings.HeavyHitters; h != (signal.HeavyHitters{}) {
		m.SetHeavyHitters(h)
	}
	if from != nil && from.Metrics != nil {
		e.restore("metrics", m.UnmarshalBinary(from.Metrics))
	}
	return m
}
