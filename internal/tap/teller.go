// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/signal"
)

const (
	// maxBatch is the most exchanges that are told at once.
	maxBatch = 512
	// maxQueue bounds the exchanges that wait for one signal's consumer.
	maxQueue = 64 << 10
)

// teller tells one signal. It has its own cursor, so a signal whose consumer
// is slow holds back no other.
type teller struct {
	name string
	// tell hands a batch to the consumer.
	tell func(ctx context.Context, batch []*signal.Told) error
	// interval is the least time between two calls of tell.
	interval time.Duration
	// cumulative says that what a consumer refused is part of the next call, so
	// nothing is lost, and that tell is called without a batch too.
	cumulative bool
	hold       time.Duration
	self       *selfMetrics
	log        *zap.Logger

	ctx    context.Context //nolint:containedctx // the context of run, ended by Shutdown
	cancel context.CancelFunc
	filled chan struct{} // has an element when the queue may have one
	closed chan struct{}

	mu      sync.Mutex
	queue   []queued
	telling bool             // a batch was taken and isn't told yet
	read    journal.Position // the last record that was understood
	told    journal.Position // the cursor
	failing bool
}

// queued is an exchange that waits for its telling.
type queued struct {
	at   journal.Position // of the record that settled it
	told *signal.Told
}

// add takes what the record at p settled; often that is nothing.
func (t *teller) add(p journal.Position, told []*signal.Told) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read = p
	for _, x := range told {
		t.queue = append(t.queue, queued{at: p, told: x})
	}
	if over := len(t.queue) - maxQueue; over > 0 {
		t.lose(over, "behind", nil)
		t.drop(over)
	}
	t.advance()
	if len(told) > 0 {
		select {
		case t.filled <- struct{}{}:
		default:
		}
	}
}

// advance moves the cursor to just before the oldest exchange that isn't told.
func (t *teller) advance() {
	switch {
	case t.telling:
	case len(t.queue) > 0:
		t.told = t.queue[0].at - 1
	default:
		t.told = t.read
	}
}

// cursor returns the position up to which everything is told.
func (t *teller) cursor() journal.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.told
}

func (t *teller) run() {
	defer t.cancel()
	for {
		batch := t.take()
		if len(batch) > 0 || t.cumulative {
			t.deliver(batch)
		}
		if t.done(len(batch)) {
			return
		}
	}
}

// drop takes the oldest n off the queue; what they held can be collected.
func (t *teller) drop(n int) {
	clear(t.queue[:n])
	t.queue = t.queue[n:]
}

// take takes the next batch from the queue: all of it where a batch isn't handed
// on itself, else one snapshot would follow another.
func (t *teller) take() []*signal.Told {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.queue)
	if !t.cumulative {
		n = min(n, maxBatch)
	}
	batch := make([]*signal.Told, n)
	for i := range batch {
		batch[i] = t.queue[i].told
	}
	t.drop(n)
	t.telling = n > 0
	return batch
}

// done moves the cursor behind a batch of n exchanges, waits for the next one
// and reports whether there will be none.
func (t *teller) done(n int) bool {
	t.mu.Lock()
	t.telling = false
	t.advance()
	left := len(t.queue)
	t.mu.Unlock()

	select {
	case <-t.closed:
		return left == 0
	default:
	}
	if n == maxBatch && !t.cumulative {
		return false
	}
	select {
	case <-t.closed:
		return false // take once more what was added last
	case <-time.After(t.interval):
	}
	if !t.cumulative {
		select {
		case <-t.closed:
		case <-t.filled:
		}
	}
	return false
}

// deliver tells a batch, again and again while the consumer refuses it for a
// reason that can pass, and counts it as lost after hold.
func (t *teller) deliver(batch []*signal.Told) {
	_, err := backoff.Retry(t.ctx, func() (struct{}, error) {
		err := t.tell(t.ctx, batch)
		if err != nil && (final(err) || t.cumulative || t.hold <= 0) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 200 * time.Millisecond, RandomizationFactor: 0.2, Multiplier: 2, MaxInterval: 5 * time.Second,
	}), backoff.WithMaxElapsedTime(t.hold))

	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.failing = false
		return
	}
	lost := len(batch)
	if t.cumulative {
		lost = 0
	}
	t.lose(lost, "refused", err)
}

// lose counts n exchanges as lost and says so where that is news.
func (t *teller) lose(n int, reason string, err error) {
	t.self.dropped(int64(n), t.name, reason)
	if !t.failing {
		t.failing = true
		t.log.Error("telemetry lost; the metric otelcol_receiver_goproxy_lost counts how much",
			zap.String("signal", t.name), zap.String("reason", reason), zap.Error(err))
	}
}

// final reports whether no consumer that refused would take the batch later:
// every leaf of err is permanent or a full queue.
func final(err error) bool {
	if consumererror.IsPermanent(err) && !joined(err) {
		return true
	}
	switch x := err.(type) { //nolint:errorlint // the tree is walked by hand, leaf by leaf
	case interface{ Unwrap() []error }:
		for _, leaf := range x.Unwrap() {
			if !final(leaf) {
				return false
			}
		}
		return true
	case interface{ Unwrap() error }:
		if inner := x.Unwrap(); inner != nil {
			return final(inner)
		}
	}
	return errors.Is(err, exporterhelper.ErrQueueIsFull)
}

// joined reports whether err holds several errors.
func joined(err error) bool {
	for err != nil {
		if _, ok := err.(interface{ Unwrap() []error }); ok {
			return true
		}
		err = errors.Unwrap(err)
	}
	return false
}
