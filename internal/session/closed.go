// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// Closed is a session that is over, summed up. It counts requests of clients,
// not those that the proxy sent on for them.
type Closed struct {
	exchange.Session
	// First is the span of the session's first request.
	First exchange.Span
	// Start and End are the beginning of the first request and the end of the last.
	Start, End exchange.Time
	// Offset is how far the wall's clock was ahead at the first request.
	Offset time.Duration
	// Requests is how many there were, and Failures how many of them really failed.
	Requests, Failures int64
	// Bytes is how many body bytes they were sent.
	Bytes int64
	// Hits and Misses are the requests that a hit ratio is made of: those for .info,
	// .mod and .zip with outcome ok, answered by the cache or not.
	Hits, Misses int64
	// SlowestModule and SlowestVersion are what the slowest request asked for, and
	// Slowest how long it took.
	SlowestModule, SlowestVersion string
	Slowest                       time.Duration
	// Client, UserAgent and CI are the first request's.
	Client    exchange.Client
	UserAgent string
	CI        exchange.CI
}

// RootSpan returns the span of the session, if that is ours to tell.
func (c *Closed) RootSpan() (exchange.Span, bool) {
	return exchange.Span{
		TraceID: c.ID, SpanID: c.Root, ParentID: c.RootParent, Flags: c.First.Flags, State: c.First.State,
	}, c.Root != exchange.SpanID{}
}

// HitRatio returns the part of the requests that the cache answered; false if
// none of them says anything about it.
func (c *Closed) HitRatio() (float64, bool) {
	n := c.Hits + c.Misses
	return float64(c.Hits) / float64(max(1, n)), n > 0
}
