// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/phase"
)

var errClosed = errors.New("the proxy is closed")

// flights lets requests for one file wait for one fetch. A fetch belongs to no
// request: it goes on as long as one is waiting, whoever started it.
type flights struct {
	reason func(name string) string // for a miss

	ctx    context.Context // Ends with the proxy.
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	byName map[string]*flight
	closed bool
}

// fetch brings what is waited for, and accounts for its attempts in l.
type fetch func(ctx context.Context, l *chain.Ledger) error

// flight is one fetch. Its fields are guarded by flights.mu, err by done.
type flight struct {
	cancel  context.CancelFunc
	ledger  chain.Ledger
	starter *visit   // Whose span is the cause of the others' waiting.
	waiters []*visit // By arrival.
	last    *visit   // Who left last and waits for the end.
	over    bool
	woken   phase.Running // Of the one who started it, from over on until it goes on.
	done    chan struct{}
	err     error
}

func newFlights(reason func(name string) string) *flights {
	ctx, cancel := context.WithCancel(context.Background())
	return &flights{reason: reason, ctx: ctx, cancel: cancel, byName: make(map[string]*flight)}
}

// close cancels the running fetches and waits for their end.
func (g *flights) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	g.wg.Wait()
}

// wait returns when the file name is there: at once if it already was, else at
// the end of the fetch that it starts or joins. The error is the fetch's, or
// ctx's if the client left first.
func (g *flights) wait(ctx context.Context, name string, v *visit, present func() bool, bring fetch) error {
	turn := v.Phases.Enter(exchange.PhaseQueue) // whoever has the lock may be looking at a slow disk
	g.mu.Lock()
	turn.Leave()
	f := g.byName[name]
	switch {
	case f != nil:
		v.Result, v.Cause = exchange.Coalesced, f.starter.Span
		defer v.Phases.Enter(exchange.PhaseCoalesced).Leave()
		f.waiters = append(f.waiters, v)
	case present():
		g.mu.Unlock()
		v.Result = exchange.Hit
		return nil
	case g.closed:
		g.mu.Unlock()
		return errClosed
	default:
		look := v.Phases.Enter(exchange.PhaseCache)
		v.Result, v.MissReason = exchange.Miss, g.reason(name)
		look.Leave()
		f = g.start(name, v, bring) //nolint:contextcheck // A fetch outlives the request that starts it.
	}
	g.mu.Unlock()

	select {
	case <-f.done:
		f.wake(v)
		return f.err
	case <-ctx.Done():
		return g.leave(ctx, name, f, v)
	}
}

// start begins a fetch; g.mu is held.
func (g *flights) start(name string, v *visit, bring fetch) *flight {
	ctx, cancel := context.WithCancel(g.ctx)
	f := &flight{cancel: cancel, starter: v, waiters: []*visit{v}, done: make(chan struct{})}
	f.ledger.Inject = func(h http.Header) exchange.Span { return g.inject(f, h) }
	g.byName[name] = f
	turn := v.Phases.Enter(exchange.PhaseQueue) // A processor may be far away.
	g.wg.Go(func() {
		defer cancel()
		turn.Leave()
		err := bring(phase.NewContext(ctx, v.Phases), &f.ledger)

		g.mu.Lock()
		f.over, f.err, f.woken = true, err, v.Phases.Enter(exchange.PhaseQueue)
		g.forget(name, f)
		if len(f.waiters) > 0 {
			f.waiters[0].take(&f.ledger)
		}
		g.mu.Unlock()
		close(f.done)
	})
	return f
}

// wake ends the wait of who started f for its own turn, once f is over.
func (f *flight) wake(v *visit) {
	if f.starter == v {
		f.woken.Leave()
	}
}

// forget lets the next request start anew; g.mu is held.
func (g *flights) forget(name string, f *flight) {
	if g.byName[name] == f {
		delete(g.byName, name)
	}
}

// inject lets the oldest waiter carry an attempt. It holds the lock, so that no
// request is used after it has left.
func (g *flights) inject(f *flight, h http.Header) exchange.Span {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.last != nil {
		return f.last.inject(h)
	}
	return f.waiters[0].inject(h)
}

// leave takes v out of f. The oldest takes along what has ended so far; the last
// one cancels the fetch and waits for its end, to account for what was running.
func (g *flights) leave(ctx context.Context, name string, f *flight, v *visit) error {
	g.mu.Lock()
	if f.over {
		g.mu.Unlock()
		f.wake(v)
		return f.err
	}
	i := slices.Index(f.waiters, v)
	if i == 0 {
		v.take(&f.ledger)
	}
	f.waiters = slices.Delete(f.waiters, i, i+1)
	last := len(f.waiters) == 0
	if last {
		f.last = v
		g.forget(name, f)
		f.cancel()
	}
	g.mu.Unlock()
	if last {
		<-f.done
		v.take(&f.ledger)
	}
	return ctx.Err()
}
