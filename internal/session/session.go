// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package session chooses, when a request arrives, the trace and the build
// session that it belongs to ([Table]). A build session is all requests of one go
// command. Package summary sums each one up when it is over.
package session

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goauth"
)

// Continue returns the server span of a request that belongs to no session: a
// child of remote, or the root of a new trace if remote is zero.
func Continue(remote exchange.Span) exchange.Span {
	if remote.IsZero() {
		return exchange.Span{TraceID: newTraceID(), SpanID: NewSpanID(), Flags: sampled}
	}
	return exchange.Span{
		TraceID: remote.TraceID, SpanID: NewSpanID(), ParentID: remote.SpanID,
		Flags: remote.Flags, State: withoutMark(remote.State),
	}
}

// Under returns the server span, the session and the id of the causing span of
// an egress request: below its cause if that is known, else as [Continue] says
// and without a session.
func Under(c Cause, remote exchange.Span) (exchange.Span, exchange.Session, exchange.SpanID) {
	if c.Span.IsZero() {
		return Continue(remote), exchange.Session{}, exchange.SpanID{}
	}
	span := c.Span
	span.ParentID, span.SpanID = c.Span.SpanID, NewSpanID()
	if remote.TraceID == span.TraceID {
		span.ParentID = remote.SpanID // the proxy passed our context on, or continued it
	}
	return span, c.Session, c.Span.SpanID
}

// marked reports whether a tracestate holds [goauth.Mark]: modtap-goauth says by
// it that the parent named in traceparent is a span which Modtap is to tell.
func marked(state string) bool {
	if !strings.Contains(state, goauth.Mark) {
		return false
	}
	for member := range strings.SplitSeq(state, ",") {
		if strings.TrimSpace(member) == goauth.Mark {
			return true
		}
	}
	return false
}

// withoutMark takes the mark out of a tracestate: of what is sent on, we are the
// parent, and another Modtap there mustn't tell that span once more.
func withoutMark(state string) string {
	if !marked(state) {
		return state
	}
	members := slices.DeleteFunc(strings.Split(state, ","), func(m string) bool { return strings.TrimSpace(m) == goauth.Mark })
	return strings.Join(members, ",")
}

// sampled is the bit of trace-flags that asks for recording
// (https://www.w3.org/TR/trace-context/#sampled-flag).
const sampled = 1

// NewSpanID returns a random id that isn't zero.
func NewSpanID() (id exchange.SpanID) {
	for id == (exchange.SpanID{}) {
		binary.BigEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

func newTraceID() (id exchange.TraceID) {
	for id == (exchange.TraceID{}) {
		binary.BigEndian.PutUint64(id[:8], rand.Uint64())
		binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}
