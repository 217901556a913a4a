// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"math"
	"time"

	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/handover"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/signal"
)

// keepAlive is the longest time between two snapshots of the metrics.
const keepAlive = 15 * time.Second

// snapshots tells the metrics: what they have counted so far, at intervals, when
// something changed. What a consumer refused is part of the next snapshot, so
// nothing is lost.
type snapshots struct {
	*queue

	metrics *signal.Metrics
	// anew returns metrics that count from now on.
	anew func() *signal.Metrics
	// shownAt is how far earlier runs have shown what they counted.
	shownAt  journal.Position
	skip     bool    // what stands before shownAt isn't counted
	cursor   *cursor // what is shown; nil: it isn't kept
	last     queued  // what was counted last
	active   *signal.Active
	now      func() exchange.Time
	show     func(context.Context, *signal.Metrics) error
	interval time.Duration
	log      *zap.Logger

	ctx    context.Context //nolint:containedctx // the context of run, ended by Shutdown
	cancel context.CancelFunc

	// live is set once all is counted that earlier runs left: before, a series
	// could go back behind what was shown of it.
	live        bool
	failing     bool
	shown       exchange.Time
	shownActive int64
}

func (e *Engine) newSnapshots(metrics *signal.Metrics) *snapshots {
	readers := append([]signal.Reader{e.active.Read}, e.settings.Readers...)
	var last exchange.Time
	s := &snapshots{
		queue: newQueue(), metrics: metrics, active: &e.active, now: e.now, interval: e.settings.MetricsInterval, log: e.log,
		show: func(ctx context.Context, m *signal.Metrics) error {
			// Who shows them takes an older one for a repetition: where the wall's clock was
			// set back, the snapshots' stands still until that has caught up.
			last = max(last+1, e.clock.wall())
			return e.settings.Consumers.Metrics.ConsumeMetrics(ctx, m.Snapshot(last, readers...))
		},
	}
	s.anew = func() *signal.Metrics { return e.newMetrics(nil) }
	if c := e.keeper.cursors; c != nil {
		s.cursor = c.slots[metricsSignal]
		s.shownAt = s.cursor.at
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *snapshots) run() {
	defer s.cancel()
	defer s.leave()
	for {
		closed := s.isClosed() // before take: then nothing comes behind what is taken
		items := s.take(math.MaxInt)
		for _, item := range items {
			s.count(item)
		}
		s.tell(len(items) > 0)
		s.done()
		if closed || s.ctx.Err() != nil {
			return
		}
		s.wait(s.interval)
	}
}

func (s *snapshots) count(item queued) {
	switch {
	case item.anew:
		s.log.Error("records are lost that were counted: the counters begin anew, with a new start time")
		s.metrics, s.skip = s.anew(), true
	case item.told != nil:
		if !s.skip || item.at > s.shownAt {
			s.metrics.Add(item.told)
		}
		s.last = item
	case item.checkpoint != nil:
		var err error
		if item.checkpoint.Metrics, err = s.metrics.MarshalBinary(); err != nil {
			s.log.Error("metrics can't be kept", zap.Error(err))
			item.checkpoint.failed.Store(true)
		}
		item.checkpoint.pass()
	case item.live:
		s.live = true
	}
}

// tell hands a snapshot to the consumer if there is news.
func (s *snapshots) tell(news bool) {
	now, active := s.now(), s.active.Total()
	if !s.live || !news && active == s.shownActive && now.Sub(s.shown) < keepAlive {
		return
	}
	ctx, _ := handover.NewContext(s.ctx) // and never given up: the next one has it all
	if err := s.show(ctx, s.metrics); err != nil {
		if !s.failing {
			s.log.Error("metrics refused; what they count is told with the next snapshot", zap.Error(err))
		}
		s.failing = true
		return
	}
	s.failing, s.shown, s.shownActive = false, now, active
	s.cursor.move(s.last)
}
