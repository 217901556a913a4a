// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/handover"
	"github.com/modtap/modtap/internal/signal"
)

const (
	// maxBatch is the most exchanges that are told at once.
	maxBatch = 512
	// gatherBatch is how long exchanges gather before a batch is told.
	gatherBatch = 100 * time.Millisecond
)

// batches tells a signal batch by batch: the spans, or the log records.
type batches struct {
	*queue

	name string
	// wants reports whether the signal says anything of an exchange or a session.
	wants func(*signal.Told) bool
	// tell hands a batch to the consumer.
	tell func(ctx context.Context, batch []*signal.Told) error
	// cursor is what the consumer has; nil: it isn't kept.
	cursor *cursor
	hold   time.Duration
	self   *selfMetrics
	log    *zap.Logger

	ctx    context.Context //nolint:containedctx // the context of run, ended by Shutdown
	cancel context.CancelFunc

	failing bool // the last batch was lost
	gaveUp  bool // because hold was over
}

func (e *Engine) newBatches(name string, wants func(*signal.Told) bool, tell func(context.Context, []*signal.Told) error) *batches {
	b := &batches{queue: newQueue(), name: name, wants: wants, tell: tell, hold: e.settings.Hold, self: e.self, log: e.log}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	if c := e.keeper.cursors; c != nil {
		b.cursor = c.slots[name]
	}
	return b
}

func (b *batches) run() {
	defer b.cancel()
	for {
		closed := b.isClosed() // before take: then nothing comes behind what is taken
		items := b.take(maxBatch)
		for part := range parts(items) {
			if !b.deliver(part) {
				b.lose(b.leave(), b.ctx.Err())
				return
			}
			if mark := part[len(part)-1]; mark.checkpoint != nil {
				mark.checkpoint.pass()
			}
		}
		b.done()
		switch {
		case len(items) == maxBatch:
		case closed:
			return
		default:
			b.wait(gatherBatch)
			select {
			case <-b.closed:
			case <-b.filled:
			}
		}
	}
}

// parts cuts items behind each checkpoint.
func parts(items []queued) func(yield func([]queued) bool) {
	return func(yield func([]queued) bool) {
		for from, i := 0, 0; i < len(items); i++ {
			if i+1 == len(items) || items[i].checkpoint != nil {
				if !yield(items[from : i+1]) {
					return
				}
				from = i + 1
			}
		}
	}
}

// deliver tells what the consumer doesn't have yet, again and again while it
// refuses it for a reason that can pass, and counts it as lost after hold. It
// returns false where the stop came first.
func (b *batches) deliver(items []queued) bool {
	batch := make([]*signal.Told, 0, len(items))
	for _, item := range items {
		if item.told != nil && b.wants(item.told) && !b.cursor.covers(item) {
			batch = append(batch, item.told)
		}
	}
	if len(batch) == 0 {
		return true
	}
	hold := b.hold
	if b.gaveUp {
		hold = 0 // a consumer that is away for good mustn't hold back what comes
	}
	ctx, over := handover.NewContext(b.ctx)
	_, err := backoff.Retry(b.ctx, func() (struct{}, error) {
		over.Begin()
		err := b.tell(ctx, batch)
		if err != nil && (final(err) || hold <= 0) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 200 * time.Millisecond, RandomizationFactor: 0.2, Multiplier: 2, MaxInterval: 5 * time.Second,
	}), backoff.WithMaxElapsedTime(hold))
	if err != nil && b.ctx.Err() != nil {
		if b.cursor == nil {
			over.GiveUp()
		}
		b.lose(len(batch), err)
		return false
	}
	if err != nil {
		b.gaveUp = b.gaveUp || !final(err)
		over.GiveUp()
		b.lose(len(batch), err)
	} else {
		b.failing, b.gaveUp = false, false
	}
	b.cursor.move(items[len(items)-1])
	return true
}

// lose counts n exchanges as lost and says so where that is news. Those that a
// stop leaves untold are told by the next run, if there is a cursor.
func (b *batches) lose(n int, err error) {
	if b.ctx.Err() != nil && b.cursor != nil {
		return
	}
	b.self.dropped(int64(n), b.name, reasonRefused)
	if !b.failing {
		b.failing = true
		b.log.Error("telemetry lost; the metric otelcol_receiver_exchange_lost counts how much",
			zap.String("signal", b.name), zap.String("reason", reasonRefused), zap.Error(err))
	}
}
