// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package cache judges exchanges: whether the cache answered, on what evidence,
// and how the exchange came out. A verdict is a pure function of the records.
package cache

import (
	"bytes"
	"net/http"

	"github.com/modtap/modtap/internal/cacheheader"
	"github.com/modtap/modtap/internal/exchange"
)

// Evidence is a value of goproxy.cache.evidence: what a cache result rests on.
type Evidence string

// The values of goproxy.cache.evidence. Empty: there is no evidence.
const (
	EvidenceEmbedded Evidence = "embedded" // we ran the cache
	EvidenceEgress   Evidence = "egress"   // we saw the proxy go upstream, or know that it would have passed us
	EvidenceHeader   Evidence = "header"   // the answer's header says so
)

// Outcome is a value of goproxy.outcome.
type Outcome string

// The values of goproxy.outcome.
const (
	OK               Outcome = "ok"
	NotFound         Outcome = "not_found"
	Probe            Outcome = "probe"      // not found, beside a question for the path above or below
	RetryTwin        Outcome = "retry_twin" // a 4xx that the go command asked for again
	Redirect         Outcome = "redirect"   // the client was sent elsewhere for it
	Denied           Outcome = "denied"     // another 4xx of the upstream: it won't give this one
	ClientGone       Outcome = "client_gone"
	Timeout          Outcome = "timeout"
	UpstreamError    Outcome = "upstream_error"
	ChecksumMismatch Outcome = "checksum_mismatch"
	Refused          Outcome = "refused" // by Modtap itself, or a range or condition that can't be met
	Interrupted      Outcome = "interrupted"
)

// Failure reports whether o is a real failure: one that sets a span's error
// status and burns the error budget. 404 and 410 are not, they are the
// protocol's "ask the next proxy" (https://go.dev/ref/mod#goproxy-protocol), nor is
// another 4xx: an answer about this one module, at which the go command stops.
func (o Outcome) Failure() bool {
	switch o {
	case Timeout, UpstreamError, ChecksumMismatch, Interrupted:
		return true
	}
	return false
}

// Verdict is what Modtap says of one exchange.
type Verdict struct {
	// Result is empty where nothing is said: of a checksum database's requests, and at
	// the egress, it is told only if it is known.
	Result   exchange.CacheResult
	Evidence Evidence
	// MissReason is goproxy.cache.miss.reason of a miss. Empty: it isn't known.
	MissReason string
	Outcome    Outcome
	// ErrorType is the error.type of the server span: a 5xx status code or a
	// word. Empty: no error. A [NotFound] has one if its text says that the proxy
	// couldn't find out: that is no failure of the request's, whose status lets the go
	// command go on, but trouble of the proxy's upstream.
	ErrorType string
	// Resumes is the exchange whose download this one continues; zero: none.
	Resumes exchange.Span
	// Conflict is true where two evidences contradict each other; the stronger one
	// decides: embedded, egress, header.
	Conflict bool
	// Links are the exchanges whose fetch this one waited for, or may have.
	Links []exchange.Span
}

// decide sets a cache result and what it rests on.
func (v *Verdict) decide(result exchange.CacheResult, evidence Evidence) {
	v.Result, v.Evidence = result, evidence
}

// Judge returns the verdict on an exchange.
func Judge(e *exchange.End) Verdict {
	v := Verdict{Result: exchange.Unknown, Outcome: outcome(e)}
	if e.Cache.Embedded != "" {
		v.Result, v.Evidence = e.Cache.Embedded, EvidenceEmbedded
		v.MissReason = e.Cache.MissReason
	} else if h := cacheheader.Read(e.Cache.Headers); h.Result != "" && !h.Weak {
		v.decide(h.Result, EvidenceHeader)
		v.Conflict, v.MissReason = h.Conflict, h.MissReason
	}
	switch {
	case v.Outcome.Failure():
		v.ErrorType = errorType(e, v.Outcome)
	case v.Outcome == NotFound:
		v.ErrorType = troubleOf(e)
	}
	return v
}

// checksumMismatch is what the go command's error says; proxies pass it on with a
// status of their own, often 404.
var checksumMismatch = []byte("checksum mismatch")

func outcome(e *exchange.End) Outcome {
	switch e.Disposition {
	case exchange.Interrupted:
		return Interrupted
	case exchange.Refused:
		return Refused
	case exchange.ClientGone:
		return ClientGone
	case exchange.UpstreamBroke:
		if e.Error == exchange.ErrorTimeout {
			return Timeout
		}
		return UpstreamError
	}
	switch {
	case e.Error == exchange.ErrorChecksumMismatch, e.Status >= http.StatusBadRequest && bytes.Contains(e.Answer, checksumMismatch):
		return ChecksumMismatch
	case e.Status == http.StatusNotFound, e.Status == http.StatusGone:
		return NotFound
	case e.Status == http.StatusGatewayTimeout:
		return Timeout
	case e.Status >= http.StatusInternalServerError:
		return UpstreamError
	case e.Status == http.StatusPreconditionFailed, e.Status == http.StatusRequestedRangeNotSatisfiable:
		return Refused
	case e.Status >= http.StatusBadRequest:
		return Denied
	case e.Status >= http.StatusMultipleChoices && e.Status != http.StatusNotModified:
		return Redirect
	}
	return OK
}

// errorType follows semconv: a word where one is known, else the status code.
func errorType(e *exchange.End, o Outcome) string {
	switch {
	case o == ChecksumMismatch:
		return exchange.ErrorChecksumMismatch
	case e.Error != "":
		return e.Error
	case e.Status >= http.StatusInternalServerError:
		return statusText(e.Status)
	}
	return string(o)
}

func statusText(code int) string {
	return string([]byte{'0' + byte(code/100%10), '0' + byte(code/10%10), '0' + byte(code%10)})
}
