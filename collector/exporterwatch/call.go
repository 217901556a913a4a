// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"
	"errors"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/metric"

	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/modtap/modtap/internal/handover"
)

// A call is one request that is handed to the exporter. What fails while it lasts is its caller's: only an exporter with a queue
// has taken what it then fails to send.
type call struct {
	mu     sync.Mutex
	over   bool
	losses []func()
}

type callKey struct{}

// count counts a loss: at once where nobody waits for the answer, else once the caller has it.
func count(ctx context.Context, loss func()) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || !c.keep(loss) {
		loss()
	}
}

func (c *call) keep(loss func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.losses = append(c.losses, loss)
	}
	return !c.over
}

func (c *call) end() []func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	return c.losses
}

// handOver passes a request of some items on. Where its caller is told of a failure, and says later what became of the request
// ([handover.Batch]), nothing is lost until then; of another caller nothing is known, so its failure is a loss.
func (w *watch) handOver(ctx context.Context, items int, consume func(context.Context) error) error {
	c := new(call)
	err := consume(context.WithValue(ctx, callKey{}, c))
	losses := c.end()
	if errors.Is(err, exporterhelper.ErrQueueIsFull) {
		losses = append(losses, func() { w.meters.dropped(context.WithoutCancel(ctx), items, reasonQueueFull) })
	}
	if batch := handover.FromContext(ctx); batch != nil && err != nil {
		batch.Answered(w, losses)
		return err
	} else if batch != nil {
		batch.Answered(w, nil)
	}
	for _, loss := range losses {
		loss()
	}
	return err
}

// failedItems begin the names of upstream's counters of what it failed to send, by signal. It counts each time that a caller hands
// over again.
const failedItems = "otelcol_exporter_send_failed_"

// meterProvider makes upstream's counters of failed items count losses only.
type meterProvider struct{ metric.MeterProvider }

func (p meterProvider) Meter(name string, options ...metric.MeterOption) metric.Meter {
	m := p.MeterProvider.Meter(name, options...)
	if name != helperScope {
		return m
	}
	return meter{m}
}

type meter struct{ metric.Meter }

func (m meter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	c, err := m.Meter.Int64Counter(name, options...)
	if err != nil || !strings.HasPrefix(name, failedItems) {
		return c, err
	}
	return lossCounter{c}, nil
}

type lossCounter struct{ metric.Int64Counter }

func (c lossCounter) Add(ctx context.Context, n int64, options ...metric.AddOption) {
	count(ctx, func() { c.Int64Counter.Add(context.WithoutCancel(ctx), n, options...) })
}
