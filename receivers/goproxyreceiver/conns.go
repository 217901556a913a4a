// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modtap/modtap/internal/session"
)

// drainGrace is how long a request that is being sent may take to arrive at a stop.
const drainGrace = time.Second

// connections are those of a listener, and which of them have a request to answer:
// a stop waits for these alone.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]*connection
	last uint64 // the number of the latest
}

// connection is one of them.
type connection struct {
	number  uint64 // from 1 on
	busy    atomic.Bool
	session *session.Conn // as evidence of whose requests are; nil: of the egress
}

type connectionKey struct{}

// begin notes that a connection was accepted.
func (s *connections) begin(ctx context.Context, c net.Conn, evidence *session.Conn) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	known := &connection{number: s.last, session: evidence}
	s.open[c] = known
	return context.WithValue(ctx, connectionKey{}, known)
}

// answering notes that a request of ctx's connection is being answered, until the
// server says that the connection is idle: then the answer has left. It returns the
// connection; a zero one if ctx is none of a server's.
func answering(ctx context.Context) *connection {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return new(connection)
	}
	c.busy.Store(true)
	return c
}

// state is part of an [http.Server.ConnState]. It returns what a connection that is
// closed was evidence of.
func (s *connections) state(c net.Conn, state http.ConnState) *session.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.open[c]
	if known == nil {
		return nil
	}
	switch state {
	case http.StateIdle:
		known.busy.Store(false)
	case http.StateClosed, http.StateHijacked:
		delete(s.open, c)
		return known.session
	}
	return nil
}

// closeQuiet closes those with nothing to answer, until done is closed.
func (s *connections) closeQuiet(done <-chan struct{}) {
	wait := time.NewTimer(drainGrace)
	defer wait.Stop()
	for {
		select {
		case <-done:
			return
		case <-wait.C:
		}
		s.mu.Lock()
		for c, known := range s.open {
			if !known.busy.Load() {
				_ = c.Close() // who sends no request waits for no answer
			}
		}
		s.mu.Unlock()
		wait.Reset(50 * time.Millisecond)
	}
}
