// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// net/http sends a request again by itself, and tells nobody: over HTTP/1 a GET on every connection of its pool that ends without
// an answer, over HTTP/2 one whose stream was refused or whose connection was given up (GOAWAY), up to seven times with seconds
// between, on new connections without end. So each sending here is watched through [httptrace]: the moment in which net/http asks
// for a connection again although the request has left on one, it is stopped, and who sent the request hears of it.

// sending is one request that is being sent.
type sending struct {
	trace  httptrace.ClientTrace
	cancel context.CancelCauseFunc
	body   io.ReadCloser // of the answer

	// What follows is of the connection that net/http took last.
	got    bool
	reused bool
	conn   *conn // Nil: it is shared, as in HTTP/2.
	before int64 // what was written to conn when it was taken

	wrote    atomic.Bool // The header was written, into a buffer at least.
	answered atomic.Bool // A byte of an answer came.
	stopped  atomic.Bool // net/http would have sent again.
}

type sendingKey struct{}

var errStopped = errors.New("a request is sent once")

// Send sends a request at most once: none is sent again without the caller's knowing it. With r.Close it is sent on a connection
// that no other request has used or will use. Of what fails [Stale] tells whether to send it again at once.
func (t *Transport) Send(r *http.Request) (*http.Response, error) {
	s := new(sending)
	s.trace = httptrace.ClientTrace{GetConn: s.getConn, GotConn: s.gotConn, WroteHeaders: s.wroteHeaders, GotFirstResponseByte: s.firstByte}
	ctx, cancel := context.WithCancelCause(r.Context())
	s.cancel = cancel
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, sendingKey{}, s), &s.trace)
	pool := t.Transport
	if r.Close {
		pool = t.single()
	}
	answer, err := pool.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel(nil)
		if gone := context.Cause(r.Context()); gone != nil && s.stopped.Load() {
			return nil, gone
		}
		t.forget(err)
		return nil, s.failure(err)
	}
	if repeatable(r) && s.timedOut(answer) {
		_ = answer.Body.Close()
		cancel(nil)
		return nil, &closedError{err: errTimedOut, stale: true}
	}
	answer.Request = r
	s.body, answer.Body = answer.Body, s
	return answer, nil
}

// RoundTrip implements [http.RoundTripper] for who tells of no attempts: what [Send] fails with as [Stale] is sent once more, on a
// connection of its own.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.Send(r)
	if !Stale(err) || !repeatable(r) {
		return answer, err
	}
	again := *r
	again.Close = true
	return t.Send(&again)
}

// repeatable tells whether r may be sent again (RFC 9110, section 9.2.2).
func repeatable(r *http.Request) bool {
	return (r.Method == "" || r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.Body == nil || r.Body == http.NoBody)
}

// single is the transport whose connections carry one request each.
func (t *Transport) single() *http.Transport {
	t.once.Do(func() {
		t.alone = t.Clone()
		t.alone.DisableKeepAlives = true
	})
	return t.alone
}

// dial makes connections that count what is written to them, and none for a request that was stopped.
func dial(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if s, ok := ctx.Value(sendingKey{}).(*sending); ok && s.stopped.Load() {
			return nil, errStopped
		}
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c}, nil
	}
}

// conn counts the bytes that are written to it.
type conn struct {
	net.Conn

	written atomic.Int64
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// counted returns what counts below c: nil where several requests share it, as in HTTP/2.
func counted(c net.Conn) *conn {
	for {
		switch of := c.(type) {
		case *conn:
			return of
		case *tls.Conn:
			if of.ConnectionState().NegotiatedProtocol == "h2" {
				return nil
			}
			c = of.NetConn()
		default:
			return nil
		}
	}
}

// getConn hears that net/http looks for a connection. Where the request has left on another one, or that was new, it ends there;
// what could not leave on a connection of the pool may take the next one: nobody has seen it.
func (s *sending) getConn(string) {
	if s.got && (s.sent() || !s.reused) {
		s.stop()
	}
}

func (s *sending) gotConn(info httptrace.GotConnInfo) {
	own := counted(info.Conn)
	if s.got && (s.sent() || !s.reused) {
		s.stop()
		if own != nil { // HTTP/2 looks at the context before it writes, HTTP/1 doesn't.
			_ = own.Close()
		}
		return
	}
	s.got, s.reused, s.conn = true, info.Reused, own
	if own != nil {
		s.before = own.written.Load()
	}
	s.wrote.Store(false)
}

func (s *sending) wroteHeaders() { s.wrote.Store(true) }
func (s *sending) firstByte()    { s.answered.Store(true) }

func (s *sending) sent() bool {
	return s.wrote.Load() && (s.conn == nil || s.conn.written.Load() > s.before)
}

func (s *sending) stop() {
	s.stopped.Store(true)
	s.cancel(errStopped)
}

// Read and Close are those of the answer's body. What watched the request ends with it.
func (s *sending) Read(p []byte) (int, error) { return s.body.Read(p) }

func (s *sending) Close() error {
	err := s.body.Close()
	s.cancel(nil)
	return err
}
