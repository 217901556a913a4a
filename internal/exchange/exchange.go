// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package exchange is the model of one request and its answer, seen at one
// place: facts only, no judgement. A receiver fills them, the journal keeps
// them as records, and everything that Modtap says is computed from them.
package exchange

import (
	"time"

	"github.com/modtap/modtap/internal/goproxy"
)

// Side says where an exchange was seen.
type Side uint8

// The sides of a module proxy.
const (
	Ingress Side = iota // client -> proxy
	Egress              // proxy -> upstream
)

// String returns the value of the attribute goproxy.side.
func (s Side) String() string {
	if s == Egress {
		return "egress"
	}
	return "ingress"
}

// Time is an instant in nanoseconds since the Unix epoch. Zero means unknown.
type Time int64

// Time returns t as a [time.Time] in UTC.
func (t Time) Time() time.Time { return time.Unix(0, int64(t)).UTC() }

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns the duration t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// TraceID is a W3C trace-id; all zeros is none
// (https://www.w3.org/TR/trace-context/#trace-id).
type TraceID [16]byte

// SpanID is a W3C parent-id; all zeros is none
// (https://www.w3.org/TR/trace-context/#parent-id).
type SpanID [8]byte

// Span is the place of a span in its trace.
type Span struct {
	TraceID  TraceID
	SpanID   SpanID
	ParentID SpanID // zero: a root span
	Flags    byte   // trace-flags; bit 0 is sampled
	State    string // tracestate, as received
}

// IsZero reports whether s names no trace.
func (s Span) IsZero() bool { return s.TraceID == TraceID{} }

// Begin holds what is known when a request arrives, and what was chosen for
// it then: nothing in it is inferred again later.
type Begin struct {
	// ID numbers the exchanges of one run from 1 on; the tap sets it.
	ID uint64
	// Time is when the request's header had been read; the tap sets it.
	Time Time
	// Offset is how far the wall's clock was ahead of the run's then. All times of the
	// exchange are the run's, which neither stands still nor steps, so that durations are
	// true; with Offset they are the wall's. Zero: the two agree.
	Offset time.Duration
	// Side is where the request was seen.
	Side Side
	// Method is the request method as sent.
	Method string
	// Path is the URL's path, decoded, without the query.
	Path string
	// Request is what the path asks for: whoever captures parses it, once. It isn't
	// recorded but follows from Path, so that [Decode] sets it too.
	Request goproxy.Request
	// Scheme is http or https.
	Scheme string
	// ServerAddress and ServerPort are where the request was sent, from Host.
	ServerAddress string
	ServerPort    uint16
	// Protocol is the HTTP version: "1.0", "1.1" or "2".
	Protocol string
	// Client is who asks, after trusted proxies and identity policy: for telling.
	Client Client
	// ClientKey is who asks, after trusted proxies, whatever the identity policy hides:
	// for judging. Nothing that is told holds it, or anything computed from it.
	ClientKey ClientKey
	// UserAgent is the User-Agent header as sent.
	UserAgent string
	// Span is the server span of this exchange.
	Span Span
	// Session is the build session that the request belongs to.
	Session Session
	// CI is the job that the client runs in, as modtap-goauth tells it.
	CI CI
	// Cause is the span of the ingress exchange that caused this egress exchange;
	// zero: none is known. Its parent is that span, or one below it.
	Cause SpanID
	// Candidates are the ingress exchanges that could be the cause where the facts
	// don't decide, at most [MaxCandidates].
	Candidates []Span
	// Connection numbers the client's own connections to one listener in one run, from
	// 1 on, whatever the identity policy hides. Zero: it isn't known, or a proxy's, which
	// many clients share.
	Connection uint64
}

// MaxCandidates is the most that [Begin.Candidates] keeps.
const MaxCandidates = 8

// Client tells who sent a request.
type Client struct {
	// Address is the client's address, its keyed hash, or empty, as the
	// receiver's client_identity says.
	Address string
	// Port is the client's port; zero where the address is not the peer's own.
	Port uint16
	// Name is who the client says to be, or its keyed hash. Empty: nobody in
	// particular.
	Name string
}

// ClientKey tells one client from another, and nobody who it is: a hash of address
// and name under a key that stays in the data directory. All zeros: it isn't known.
type ClientKey [8]byte

// Session is the build session that was chosen at the beginning.
type Session struct {
	// ID names the session: the id of its trace. Zero: the request has none.
	ID TraceID
	// Inferred is true where no traceparent told the session.
	Inferred bool
	// Root is the span of the session that Modtap itself tells. Zero: somebody
	// else's span is the parent of the session's requests.
	Root SpanID
	// RootParent is the parent of Root; zero: it is the root of its trace.
	RootParent SpanID
	// Held is true while connections are open that are the session's own: it isn't over
	// before a record says that they are closed.
	Held bool
}

// CI is the job of a continuous integration system. Its values are the client's.
type CI struct {
	// System is the product: gitlab, github, jenkins, buildkite or generic. Empty:
	// the client told no job, and nothing else is set.
	System string
	// Pipeline, PipelineRun and PipelineURL are the pipeline's name and the id and
	// page of its run.
	Pipeline, PipelineRun, PipelineURL string
	// Job, JobRun and JobURL are the same of one job in it.
	Job, JobRun, JobURL string
}

// Key returns what tells the job from every other; empty: nothing is known that does.
func (c *CI) Key() string {
	switch {
	case c.JobRun != "":
		return c.System + "\x00" + c.JobRun
	case c.JobURL != "":
		return c.System + "\x00" + c.JobURL
	case c.PipelineRun != "":
		return c.System + "\x00" + c.Pipeline + "\x00" + c.PipelineRun + "\x00" + c.Job
	}
	return ""
}

// Disposition is how an exchange ended on the wire.
type Disposition uint8

// How an exchange can end.
const (
	// Complete: the whole answer was handed to the client.
	Complete Disposition = iota
	// ClientGone: the client left before the answer's end.
	ClientGone
	// UpstreamBroke: the upstream's answer ended early; so did the client's.
	UpstreamBroke
	// Refused: Modtap itself declined the request (method, form, loop).
	Refused
	// Interrupted: the process ended first, by a stop that waited no longer, or
	// without an end record.
	Interrupted
)

// End holds what is known when an exchange is over.
type End struct {
	// ID is the ID of the [Begin] it belongs to.
	ID uint64
	// Time is when the last byte was handed over; the tap sets it.
	Time Time
	// FirstByte is when the answer's header was sent; zero: never.
	FirstByte Time
	// Status is the status code that the client was sent; zero: none was.
	Status int
	// BodySize is the number of body bytes sent to the client.
	BodySize int64
	// Disposition is how it ended.
	Disposition Disposition
	// Error is the error.type word where no status code says it; empty: none.
	Error string
	// Cache is what the cache said about itself.
	Cache CacheEvidence
	// Attempts are the requests sent upstream for this exchange, in order.
	Attempts []Attempt
	// Cause is the exchange whose upstream fetch this one waited for; zero: none.
	Cause Span
	// Answer is the beginning of an .info body or of a non-2xx text body, at
	// most [MaxAnswer] bytes.
	Answer []byte
	// Leak is the pattern of the private module that an attempt told the public of,
	// or would have told; empty: none did.
	Leak string
	// Phases are what the exchange's time went by with, in the order of [Phase]; nil:
	// that isn't known.
	Phases []Part
}

// MaxAnswer is the most that [End.Answer] keeps, in bytes.
const MaxAnswer = 1024

// CacheEvidence is what is known of a cache's decision when the exchange ends.
type CacheEvidence struct {
	// Embedded is the embedded proxy's own record; empty where another proxy
	// answered.
	Embedded CacheResult
	// MissReason says why Embedded is a miss.
	MissReason string
	// Headers are the answer's header lines that can tell a cache's decision, as
	// received (RFC 9211, RFC 9111 section 5.1 and the X-Cache family).
	Headers []Header
}

// CacheResult is a value of goproxy.cache.result.
type CacheResult string

// The values of goproxy.cache.result.
const (
	Hit         CacheResult = "hit"
	Miss        CacheResult = "miss"
	Stale       CacheResult = "stale"
	Revalidated CacheResult = "revalidated"
	Coalesced   CacheResult = "coalesced"
	Bypass      CacheResult = "bypass"
	Unknown     CacheResult = "unknown"
)

// Kept reports whether r is a copy that the cache had, without a question to anybody.
func (r CacheResult) Kept() bool { return r == Hit || r == Stale }

// Header is one header line.
type Header struct{ Name, Value string }

// Configured returns address and port of the upstream as it is configured: a value
// that no upstream can choose.
func (a *Attempt) Configured() (address string, port uint16) {
	if a.Origin != "" {
		return a.Origin, a.OriginPort
	}
	return a.Address, a.Port
}

// Attempt is one request to an upstream.
type Attempt struct {
	// Start is when the request was sent.
	Start Time
	// Duration runs until the answer's body was read, or the error.
	Duration time.Duration
	// FirstByte is the time from Start to the answer's header; zero: none came.
	FirstByte time.Duration
	// Span is the client span, under that of the exchange which waited for the answer
	// first: of a fetch that several wait for, that needn't be this one. Only SpanID is
	// set in records of a Modtap that left out what was the exchange's own.
	Span Span
	// Method is the request method.
	Method string
	// URL is what was asked, without userinfo and query.
	URL string
	// Request is what URL asks for: another file than the exchange's own where a checksum
	// was looked up. It isn't recorded; [End.Complete] sets it.
	Request goproxy.Request
	// Address and Port are the upstream's (server.address, server.port).
	Address string
	Port    uint16
	// Origin and OriginPort are those of the configured upstream whose redirect led
	// to Address; empty: no redirect did, or one to the same place. What an upstream
	// redirects to is for it to choose, so metrics have the configured one.
	Origin     string
	OriginPort uint16
	// Status is the answer's status code; zero: none came.
	Status int
	// Error is the error.type word of an attempt without an answer, or with a
	// broken one; empty: none.
	Error string
	// BodySize is the number of body bytes received.
	BodySize int64
	// Reason says why the next element was asked (goproxy.upstream.reason:
	// not_found, gone, error, ...); empty: it was not.
	Reason string
	// Resend counts earlier sendings of the same request (http.request.resend_count).
	Resend int
	// Direct marks a fetch from version control by the go command, no HTTP request
	// of ours.
	Direct bool
	// Leak is the pattern of the private module that the request told its upstream
	// of, or would have told; empty: none. It isn't recorded: [End.Leak] is.
	Leak string
}
