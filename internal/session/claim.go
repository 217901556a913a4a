// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/modtap/modtap/internal/exchange"
)

// A trace context is no secret: it is passed on to upstreams, and anybody can send
// one. So a trace is claimed by the client that sends it first, and stays claimed
// for as long as one of that client's sessions in it is remembered.

// claim says whose a trace is.
type claim struct {
	owner    uint64 // zero: not known, the next one who asks
	sessions int    // that hold it
}

// traced is the trace context that a client sent, and the hashes that it is known
// by.
type traced struct {
	remote    exchange.Span
	marked    bool   // the parent is a span that Modtap tells
	trace     uint64 // of the trace
	owner     uint64 // of the client
	key       uint64 // of the owner's session: of the trace, and of the root where that is ours to tell
	strangers uint64 // of the session of this client if the trace isn't its own
}

func (t *Table) traced(key Key, remote exchange.Span) traced {
	f := traced{remote: remote, marked: marked(remote.State), owner: t.owner(key), trace: t.traceHash(remote.TraceID)}
	f.strangers = f.trace ^ f.owner*shards // of the same shard
	if f.key = f.trace; f.marked {
		h := t.digest()
		_, _ = h.Write(remote.TraceID[:])
		_, _ = h.Write(remote.SpanID[:])
		f.key = h.Sum64()
	}
	return f
}

// traceHash returns what a trace is known by. Never zero.
func (t *Table) traceHash(id exchange.TraceID) uint64 {
	h := t.digest()
	_, _ = h.Write(id[:])
	return max(1, h.Sum64())
}

// owner returns what a client is known by as the owner of a trace. Never zero.
func (t *Table) owner(key Key) uint64 {
	if key.Owner == "" {
		return max(1, t.hash(key, ""))
	}
	h := t.digest()
	_, _ = h.WriteString("owner\x00")
	_, _ = h.WriteString(key.Owner)
	return max(1, h.Sum64())
}

// owns reports whether the client may claim its trace, or has.
func (s *shard) owns(f *traced) bool {
	c, claimed := s.claims[f.trace]
	if claimed && c.owner == 0 {
		c.owner = f.owner
		s.claims[f.trace] = c
	}
	return !claimed || c.owner == f.owner
}

// hold claims a trace for as long as o is remembered.
func (o *Open) hold(trace, owner uint64) {
	c := o.shard.claims[trace]
	c.owner = owner
	c.sessions++
	o.shard.claims[trace] = c
	o.claim = trace
}

// release gives up what hold claimed.
func (o *Open) release() {
	if o.claim == 0 {
		return
	}
	c := o.shard.claims[o.claim]
	if c.sessions--; c.sessions > 0 {
		o.shard.claims[o.claim] = c
	} else {
		delete(o.shard.claims, o.claim)
	}
	o.claim = 0
}
