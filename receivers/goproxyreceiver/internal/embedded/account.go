// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"net/http"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/phase"
)

// Caller is the exchange for which a request is served.
type Caller struct {
	// Request is what the request's path asks for.
	Request protocol.Request
	// Span is the server span of the exchange.
	Span exchange.Span
	// Inject gives an upstream attempt its client span and adds the headers that
	// carry it; see [chain.Ledger]. It is called concurrently, also for callers that
	// come to wait for this one's fetch, but never after Serve has returned, and must
	// not block. Nil: nothing is added.
	Inject func(h http.Header) exchange.Span
	// Phases measures what the request's time goes by with, that of a fetch which it
	// starts included, even if that goes on without it. Nil: nothing is measured.
	Phases *phase.Clock
}

// Account is what the proxy tells about one request that it has served.
type Account struct {
	// Result is what the cache did. Empty where nothing was looked up: a path that
	// isn't the protocol's.
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

// visit is one request being served. What is noted in it is its own: of others' only
// flights does so, while they wait.
type visit struct {
	Caller
	Account
}

// leave calls what gives a file back when the request is over. To close one may take as
// long as to read it, on a disk behind a network, and others may wait for the room.
func (v *visit) leave(release func()) {
	defer v.Phases.Enter(exchange.PhaseCache).Leave()
	release()
}

// inject gives an attempt its span; see [Caller.Inject].
func (v *visit) inject(h http.Header) exchange.Span {
	if v.Inject == nil {
		return exchange.Span{}
	}
	return v.Inject(h)
}

// take adds the attempts of l that aren't accounted for yet.
func (v *visit) take(l *chain.Ledger) { v.Attempts = append(v.Attempts, l.Take()...) }
