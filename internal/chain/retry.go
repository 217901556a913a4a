// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/outbound"
	"github.com/modtap/modtap/internal/phase"
)

// DefaultRetryTotal is [Retry.Total] where none is set.
const DefaultRetryTotal = 5 * time.Second

// Retry says how often an element is asked again before its failure counts. The
// zero value: it isn't, as the go command doesn't.
//
// Only a GET is sent again, and only if nothing of an answer was handed on: after
// a connection that failed, after 502, 503 and 504, and after a 429 that says
// when with Retry-After. An open circuit breaker ends it.
//
// Whatever it says, a GET or HEAD that was sent on a connection that the upstream had
// kept, and then closed without a byte of an answer, is sent once more, at once and on a
// connection of its own. No request is sent more than 1 + max(1, Max) times, redirects
// apart, and each sending is an attempt.
type Retry struct {
	// Max is how many times a request is sent again.
	Max int
	// Total is the longest time from the first sending to the last. What Retry-After
	// asks for beyond it isn't waited for. Zero: [DefaultRetryTotal].
	Total time.Duration
}

// retries are those of one element being asked.
type retries struct {
	sent  int  // Requests so far, those to which a redirect led included.
	again bool // One has been sent again as stale.
	left  int
	until time.Time
	wait  backoff.ExponentialBackOff
}

func (r Retry) begin(method string) *retries {
	if method != "" && method != http.MethodGet {
		r.Max = 0
	}
	return &retries{
		left:  r.Max,
		until: time.Now().Add(orDefault(r.Total, DefaultRetryTotal)),
		wait:  backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 3, MaxInterval: 2 * time.Second},
	}
}

// stale tells whether a request that failed may be sent again at once: [outbound.Stale]
// says that the failure is none of the upstream's. One may, whatever Max is, and it is
// one of Max.
func (r *retries) stale(err error) bool {
	if r.again || !outbound.Stale(err) {
		return false
	}
	r.again, r.left = true, max(0, r.left-1)
	return true
}

// next tells whether to ask again after a failure that t describes, and waits
// until then. The error is ctx's.
func (r *retries) next(ctx context.Context, t transience) (bool, error) {
	if !t.passes || r.left == 0 {
		return false, nil
	}
	r.left--
	wait := max(r.wait.NextBackOff(), t.after)
	if time.Now().Add(wait).After(r.until) {
		return false, nil
	}
	defer phase.FromContext(ctx).Enter(exchange.PhaseRetry).Leave()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// transience tells whether a failure may pass by itself, and after what time at
// the earliest.
type transience struct {
	passes bool
	after  time.Duration
}

// ofError is the transience of a request without an answer: that of a connection
// that didn't come about or broke. A host that is silent is not asked again.
func ofError(err error) transience {
	switch Word(err) {
	case exchange.ErrorRefused, exchange.ErrorReset, exchange.ErrorUnreachable:
		return transience{passes: true}
	case exchange.ErrorDNS:
		dns, ok := errors.AsType[*net.DNSError](err)
		return transience{passes: ok && !dns.IsNotFound}
	case exchange.ErrorTimeout:
		return transience{passes: whileDialing(err)}
	}
	return transience{}
}

// ofStatus is the transience of an answer.
func ofStatus(status int, h http.Header) transience {
	after, told := retryAfter(h.Get("Retry-After"), time.Now())
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return transience{passes: true, after: after}
	case http.StatusTooManyRequests:
		return transience{passes: told, after: after}
	}
	return transience{}
}

func readable(after string) bool {
	_, ok := retryAfter(after, time.Now())
	return ok
}

// retryAfter reads Retry-After (RFC 9110 section 10.2.3): seconds or a date.
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, false
	}
	if text[0] >= '0' && text[0] <= '9' {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return 0, false
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(now)), true
}

// unreachable tells whether a failure happened before anything could be asked: it is
// the host's own, whatever was asked for.
func unreachable(err error) bool {
	switch Word(err) {
	case exchange.ErrorRefused, exchange.ErrorUnreachable, exchange.ErrorDNS, exchange.ErrorTLS:
		return true
	case exchange.ErrorTimeout:
		return whileDialing(err)
	}
	return false
}

func whileDialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
