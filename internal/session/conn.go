// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/modtap/modtap/internal/exchange"
)

// Conn is a connection of one client, from when it was accepted on. Nil: nothing is
// known of it, or clients share it.
type Conn struct {
	shard    *shard // of the peer's address
	number   uint64 // in the shard, from 1 on
	peer     netip.Addr
	accepted exchange.Time
	owner    atomic.Pointer[Open] // nil: nobody's yet
	gone     atomic.Bool

	// What follows is guarded by the shard's mutex.

	busy  int           // requests in flight
	since exchange.Time // when it became busy last
	idle  exchange.Time // and idle
	// failed tells that its latest answer told an error: many a client leaves its text
	// unread and closes the connection for that.
	failed bool
}

// maxFresh is how many connections without a request a shard remembers.
const maxFresh = 64

// Connected notes that a connection from peer was accepted at now; [Conn.Closed]
// must follow.
func (t *Table) Connected(now exchange.Time, peer netip.Addr) *Conn {
	c := &Conn{shard: t.shardOf(peer), peer: peer, accepted: now, idle: now}
	s := c.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns++
	c.number = s.conns
	if len(s.fresh) == maxFresh {
		s.fresh = slices.Delete(s.fresh, 0, 1)
	}
	s.fresh = append(s.fresh, c)
	return c
}

// Closed notes that the connection is closed. It returns the session whose last one
// it was; zero: it was none's.
func (c *Conn) Closed(now exchange.Time) exchange.Session {
	c.gone.Store(true)
	c.shard.mu.Lock()
	c.shard.known(c)
	c.shard.mu.Unlock()
	o := c.owner.Load()
	if o == nil {
		return exchange.Session{}
	}
	o.shard.mu.Lock()
	defer o.shard.mu.Unlock()
	o.disown(c)
	if o.gone || len(o.conns) > 0 {
		return exchange.Session{}
	}
	o.last = max(o.last, now)
	if o.command != nil {
		o.command.failed = c.failed
		o.shard.widths[min(o.width, len(o.shard.widths)-1)]++
	}
	if o.inFlight == 0 {
		o.rest()
	}
	return o.session
}

// known forgets that c has no request yet.
func (s *shard) known(c *Conn) {
	if i := slices.Index(s.fresh, c); i >= 0 {
		s.fresh = slices.Delete(s.fresh, i, i+1)
	}
}

// together counts the connections from c's address that were accepted at about the
// same time and have no request yet, c among them.
func (s *shard) together(c *Conn) (n int) {
	for _, x := range s.fresh {
		if x.peer == c.peer && apart(x.accepted, c.accepted) < freshFor {
			n++
		}
	}
	return n
}

// own gives the connection to the session; the session's shard is locked.
func (o *Open) own(c *Conn) {
	before := c.owner.Load()
	if before == o || c.gone.Load() || before != nil && before.shard != o.shard {
		return
	}
	if before != nil {
		before.disown(c)
		if before.command != nil && o.command != nil {
			before.command.give(c, o.command)
		}
		if len(before.conns) == 0 && before.inFlight == 0 {
			before.rest()
		}
	}
	c.owner.Store(o)
	o.conns = append(o.conns, c)
	o.dialled++
	o.width = max(o.width, len(o.conns))
}

// disown takes the connection from the session; the session's shard is locked.
func (o *Open) disown(c *Conn) {
	if i := slices.Index(o.conns, c); i >= 0 {
		o.conns = slices.Delete(o.conns, i, i+1)
	}
	c.owner.CompareAndSwap(o, nil)
}

// goCommand reports whether a user agent is the go command's, which is that of
// whatever Go's net/http sends.
func goCommand(agent string) bool { return strings.HasPrefix(agent, "Go-http-client/") }
