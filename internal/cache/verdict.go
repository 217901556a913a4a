// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package cache judges exchanges: whether the cache answered, on what evidence,
// and how the exchange came out. A verdict is a pure function of the records.
package cache

import (
	"bytes"
	"net/http"

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
	ClientGone       Outcome = "client_gone"
	Timeout          Outcome = "timeout"
	UpstreamError    Outcome = "upstream_error"
	ChecksumMismatch Outcome = "checksum_mismatch"
	Refused          Outcome = "refused"
	Interrupted      Outcome = "interrupted"
)

// Failure reports whether o is a real failure: one that sets a span's error
// status and burns the error budget. 404 and 410 are not, they are the
// protocol's "ask the next proxy" (https://go.dev/ref/mod#goproxy-protocol).
func (o Outcome) Failure() bool {
	switch o {
	case Timeout, UpstreamError, ChecksumMismatch, Interrupted:
		return true
	}
	return false
}

// Verdict is what Modtap says of one exchange.
type Verdict struct {
	Result     exchange.CacheResult
	Evidence   Evidence
	MissReason string // goproxy.cache.miss.reason; empty but for misses
	Outcome    Outcome
	// ErrorType is the error.type of the server span: a 5xx status code or a
	// word. Empty: no error.
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
	v.Result, v.Evidence, v.MissReason = result, evidence, ""
	if result == exchange.Miss {
		v.MissReason = "cold"
	}
}

// The error words that decide an outcome.
const (
	ErrorTimeout          = "timeout"
	ErrorChecksumMismatch = "checksum_mismatch"
)

// Judge returns the verdict on an exchange.
func Judge(e *exchange.End) Verdict {
	v := Verdict{Result: exchange.Unknown, Outcome: outcome(e)}
	if e.Cache.Embedded != "" {
		v.Result, v.Evidence = e.Cache.Embedded, EvidenceEmbedded
		v.MissReason = e.Cache.MissReason
	} else if h := FromHeaders(e.Cache.Headers); h.Result != "" && !h.Weak {
		v.decide(h.Result, EvidenceHeader)
		v.Conflict = h.Conflict
		if h.MissReason != "" {
			v.MissReason = h.MissReason
		}
	}
	if v.Outcome.Failure() {
		v.ErrorType = errorType(e, v.Outcome)
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
		if e.Error == ErrorTimeout {
			return Timeout
		}
		return UpstreamError
	}
	switch {
	case e.Error == ErrorChecksumMismatch, e.Status >= http.StatusBadRequest && bytes.Contains(e.Answer, checksumMismatch):
		return ChecksumMismatch
	case e.Status == http.StatusNotFound, e.Status == http.StatusGone:
		return NotFound
	case e.Status == http.StatusGatewayTimeout:
		return Timeout
	case e.Status >= http.StatusInternalServerError:
		return UpstreamError
	case e.Status >= http.StatusBadRequest:
		return Refused
	}
	return OK
}

// errorType follows semconv: a word where one is known, else the status code.
func errorType(e *exchange.End, o Outcome) string {
	switch {
	case o == ChecksumMismatch:
		return ErrorChecksumMismatch
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
