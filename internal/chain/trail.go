// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/modtap/modtap/internal/exchange"
)

// Trail collects the attempts made under one context. The zero value is ready;
// it is safe for concurrent use, the fields being set before.
type Trail struct {
	// Inject gives an attempt its client span and adds the headers that carry it
	// upstream (traceparent, Via, ...). It may be called concurrently. Nil: the
	// attempts have no span and nothing is added.
	Inject func(h http.Header) exchange.Span

	mu       sync.Mutex
	attempts []exchange.Attempt
}

type trailKey struct{}

// NewContext returns a context whose attempts are recorded in t.
func NewContext(ctx context.Context, t *Trail) context.Context {
	return context.WithValue(ctx, trailKey{}, t)
}

// FromContext returns the trail of ctx; nil, on which all methods work, if none.
func FromContext(ctx context.Context) *Trail {
	t, _ := ctx.Value(trailKey{}).(*Trail)
	return t
}

// Take returns the attempts recorded since the last Take, by their start, and
// forgets them: each attempt is handed out once.
func (t *Trail) Take() []exchange.Attempt {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.attempts
	t.attempts = nil
	slices.SortStableFunc(taken, func(a, b exchange.Attempt) int { return cmp.Compare(a.Start, b.Start) })
	return taken
}

func (t *Trail) add(a exchange.Attempt) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.attempts = append(t.attempts, a)
}

func (t *Trail) inject(h http.Header) exchange.Span {
	if t == nil || t.Inject == nil {
		return exchange.Span{}
	}
	return t.Inject(h)
}
