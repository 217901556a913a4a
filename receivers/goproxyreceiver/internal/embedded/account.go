// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"net/http"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/phase"
)

// The values of MissReason.
const (
	missCold    = "cold"    // it was never here, or that is forgotten
	missEvicted = "evicted" // it had to go for others
	missExpired = "expired" // it is older than the TTL
)

// Account is what the proxy tells about one request. The caller puts it into the
// request's context and reads it when ServeHTTP has returned.
type Account struct {
	// Span is the request's server span, set by the caller.
	Span exchange.Span
	// Inject gives an upstream attempt its client span and adds the headers that
	// carry it; see [github.com/modtap/modtap/internal/chain.Trail]. It is called
	// concurrently, also for requests that come to wait for this one's fetch, but
	// never after ServeHTTP has returned, and must not block. Set by the caller;
	// nil: nothing is added.
	Inject func(h http.Header) exchange.Span

	// Phases measures what the request's time goes by with, that of a fetch which it
	// starts included, even if that goes on without it. Set by the caller; nil: nothing
	// is measured.
	Phases *phase.Clock

	// Result is what the cache did. Empty where nothing was looked up: a method or
	// a path that isn't the protocol's.
	Result exchange.CacheResult
	// MissReason says why Result is a miss.
	MissReason string
	// Attempts are the upstream requests that this request accounts for: each one
	// is in one Account only, that of the oldest request waiting for it when it
	// ended.
	Attempts []exchange.Attempt
	// Cause is the span of the request that started the fetch which this one
	// waited for; zero: none.
	Cause exchange.Span
	// Error is the error.type word where no status code of an upstream says it.
	Error string
}

type accountKey struct{}

// NewContext returns a context that carries a.
func NewContext(ctx context.Context, a *Account) context.Context {
	return context.WithValue(ctx, accountKey{}, a)
}

// accountOf returns the account of ctx, or one that nobody reads.
func accountOf(ctx context.Context) *Account {
	if a, ok := ctx.Value(accountKey{}).(*Account); ok {
		return a
	}
	return new(Account)
}

// leave calls what gives a file back when the request is over. To close one may take as
// long as to read it, on a disk behind a network, and others may wait for the room.
func (a *Account) leave(release func()) {
	defer a.Phases.Enter(exchange.PhaseCache).Leave()
	release()
}

// inject gives an attempt its span; see Inject.
func (a *Account) inject(h http.Header) exchange.Span {
	if a.Inject == nil {
		return exchange.Span{}
	}
	return a.Inject(h)
}

// take adds attempts.
func (a *Account) take(attempts []exchange.Attempt) { a.Attempts = append(a.Attempts, attempts...) }
