// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"net/http"
	"slices"
	"sync"

	"github.com/modtap/modtap/internal/exchange"
)

// Ledger keeps the attempts of the requests that it is handed with. The zero value is
// ready; it is safe for concurrent use, the fields being set before. On nil, which keeps
// none, all methods work.
type Ledger struct {
	// Inject gives an attempt its client span and adds the headers that carry it
	// upstream (traceparent, Via, ...). It may be called concurrently. Nil: the
	// attempts have no span and nothing is added.
	Inject func(h http.Header) exchange.Span

	mu       sync.Mutex
	attempts []exchange.Attempt
}

// Take returns the attempts recorded since the last Take, by their start, and
// forgets them: each attempt is handed out once.
func (l *Ledger) Take() []exchange.Attempt {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.attempts
	l.attempts = nil
	slices.SortStableFunc(taken, func(a, b exchange.Attempt) int { return cmp.Compare(a.Start, b.Start) })
	return taken
}

func (l *Ledger) add(a exchange.Attempt) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts = append(l.attempts, a)
}

func (l *Ledger) inject(h http.Header) exchange.Span {
	if l == nil || l.Inject == nil {
		return exchange.Span{}
	}
	return l.Inject(h)
}
