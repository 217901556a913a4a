// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/signal"
)

// gatherBatch is how long exchanges gather before a batch is told.
const gatherBatch = 100 * time.Millisecond

// keepAlive is the longest time between two snapshots of the metrics.
const keepAlive = 15 * time.Second

// newTellers returns a teller for each signal that has a consumer.
func (e *Engine) newTellers() []*teller {
	var tellers []*teller
	resource, to := e.settings.Resource, e.settings.Consumers
	if to.Traces != nil {
		tellers = append(tellers, e.newTeller("traces", gatherBatch, func(ctx context.Context, batch []*signal.Told) error {
			td := signal.Traces(resource, batch)
			if td.SpanCount() == 0 {
				return nil // sessions whose spans aren't ours
			}
			return to.Traces.ConsumeTraces(ctx, td)
		}))
	}
	if to.Logs != nil {
		tellers = append(tellers, e.newTeller("logs", gatherBatch, func(ctx context.Context, batch []*signal.Told) error {
			ld := signal.Logs(resource, batch)
			if ld.LogRecordCount() == 0 {
				return nil // sessions only
			}
			return to.Logs.ConsumeLogs(ctx, ld)
		}))
	}
	if to.Metrics != nil {
		t := e.newTeller("metrics", e.settings.MetricsInterval, nil)
		t.tell, t.cumulative = e.tellMetrics(), true
		tellers = append(tellers, t)
	}
	return tellers
}

func (e *Engine) newTeller(name string, interval time.Duration, tell func(context.Context, []*signal.Told) error) *teller {
	t := &teller{
		name: name, tell: tell, interval: interval, hold: e.settings.Hold,
		self: e.self, log: e.log, filled: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// tellMetrics counts each batch once, also when its snapshot has to be told
// again, and tells a snapshot when something changed.
func (e *Engine) tellMetrics() func(context.Context, []*signal.Told) error {
	metrics := signal.NewMetrics(e.settings.Resource, e.settings.Buckets, exchange.Time(e.began.UnixNano()))
	if h := e.settings.HeavyHitters; h != (signal.HeavyHitters{}) {
		metrics.SetHeavyHitters(h)
	}
	var counted *signal.Told // the last exchange that was counted
	readers := append([]signal.Reader{e.active.Read}, e.settings.Readers...)
	var shown exchange.Time
	var shownActive int64
	return func(ctx context.Context, batch []*signal.Told) error {
		if n := len(batch); n > 0 && batch[n-1] != counted {
			for _, t := range batch {
				metrics.Add(t)
			}
			counted = batch[n-1]
		}
		now, active := e.now(), e.active.Total()
		if len(batch) == 0 && active == shownActive && now.Sub(shown) < keepAlive {
			return nil
		}
		err := e.settings.Consumers.Metrics.ConsumeMetrics(ctx, metrics.Snapshot(now, readers...))
		if err == nil {
			shown, shownActive = now, active
		}
		return err
	}
}
