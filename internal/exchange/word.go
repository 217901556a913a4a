// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

// The words of error.type, of an exchange and of an attempt, where no status code says
// it. They are few, as semconv wants it
// (https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/).
const (
	ErrorTimeout     = "timeout"
	ErrorRefused     = "connection_refused"
	ErrorReset       = "connection_reset"
	ErrorUnreachable = "host_unreachable"
	ErrorDNS         = "dns"
	ErrorTLS         = "tls"
	ErrorCanceled    = "canceled" // who asked has left, or we stop
	ErrorBadResponse = "bad_response"
	ErrorBadUpstream = "bad_upstream" // of a proxy, which says so
	ErrorNotFound    = "not_found"
	// ErrorCircuitOpen is that of an attempt which an open circuit breaker didn't let
	// out: nothing was sent.
	ErrorCircuitOpen = "circuit_open"
	// ErrorLeakBlocked is that of an attempt which would have told the public of a
	// private module: nothing was sent.
	ErrorLeakBlocked = "leak_blocked"
	// ErrorChecksumMismatch is that of a file which isn't what the checksum database
	// knows, ErrorChecksumUnavailable of one of which it couldn't be asked.
	ErrorChecksumMismatch    = "checksum_mismatch"
	ErrorChecksumUnavailable = "checksum_unavailable"
	// ErrorCacheFailure is a fault of the embedded proxy's cache.
	ErrorCacheFailure = "cache_failure"
	// ErrorOther is a fault that has no word of its own, ours included.
	ErrorOther = "_OTHER"
)

// The values of [Attempt.Reason] that are no error.type.
const (
	ReasonGone  = "gone"
	ReasonError = "error" // another one
)

// The values of [CacheEvidence.MissReason].
const (
	MissCold    = "cold"    // it was never there, or that is forgotten
	MissEvicted = "evicted" // it had to go for others
	MissExpired = "expired" // it is older than it may be
)
