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
)

// DefaultRetryTotal is [Retry.Total] where none is set.
const DefaultRetryTotal = 5 * time.Second

// Retry says how often an element is asked again before its failure counts. The
// zero value: it isn't, as the go command doesn't.
//
// Only a GET is sent again, and only if nothing of an answer was handed on: after
// a connection that failed, after 502, 503 and 504, and after a 429 that says
// when with Retry-After. An open circuit breaker ends it.
type Retry struct {
	// Max is how many times a request is sent again.
	Max int
	// Total is the longest time from the first sending to the last. What Retry-After
	// asks for beyond it isn't waited for. Zero: [DefaultRetryTotal].
	Total time.Duration
}

// retries are those of one element being asked.
type retries struct {
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
	case wordRefused, wordReset, wordUnreachable:
		return transience{passes: true}
	case wordDNS:
		dns, ok := errors.AsType[*net.DNSError](err)
		return transience{passes: ok && !dns.IsNotFound}
	case wordTimeout:
		op, ok := errors.AsType[*net.OpError](err)
		return transience{passes: ok && op.Op == "dial"}
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
