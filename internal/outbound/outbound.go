// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package outbound makes the transports with which Modtap asks others, upstreams and backends alike. It is the only place where
// an [http.Transport] is made (the linter sees to that), so that none is without its bounds.
package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// A connection that goes mute, without a reset, is known by a ping that has no answer: HTTP/2 keeps it for every request that
// comes, until TCP gives up, which takes a quarter of an hour, or never if something in between acknowledges for the peer. In
// HTTP/1 such a connection carries one request, and ends with its time-out.
const (
	// PingAfter is how long a connection may be silent until it is asked for a sign of life.
	PingAfter = 10 * time.Second
	// PingTimeout is how long the sign may take. After both at most, what is on the connection fails and the next
	// request gets a new one.
	PingTimeout = 5 * time.Second
)

// Settings bound a transport. The zero value of a field: see there.
type Settings struct {
	// Dial bounds connecting, and the TLS handshake again. Zero: 10 s.
	Dial time.Duration
	// Header bounds the time from the request to the header of its answer. Zero: as long as the request's context.
	Header time.Duration
	// TLS is how connections are secured. Nil: verified by the system's authorities.
	TLS *tls.Config
}

// Transport is what [New] makes: an [http.Transport] that sends no request again by itself.
type Transport struct {
	*http.Transport

	once  sync.Once
	alone *http.Transport // See single.
}

// New makes a transport. The caller may set, before the first request, what bounds nothing, such as how many idle connections are kept.
func New(s Settings) *Transport {
	if s.Dial == 0 {
		s.Dial = 10 * time.Second
	}
	return &Transport{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial(&net.Dialer{Timeout: s.Dial}),
		TLSClientConfig:       s.TLS,
		TLSHandshakeTimeout:   s.Dial,
		ResponseHeaderTimeout: s.Header,

		MaxResponseHeaderBytes: maxHeader,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		ForceAttemptHTTP2:      true,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  PingAfter,
			PingTimeout:      PingTimeout,
			WriteByteTimeout: PingAfter + PingTimeout,
		},
	}}
}

// Client is a client of a transport, or of what stands before one. It follows no redirect: where telemetry and credentials go is
// for the configuration to say, and a POST that became a GET would look like success. Who follows some sets CheckRedirect.
func Client(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// maxHeader bounds the header of an answer in bytes, informational ones included. What a server of the GOPROXY protocol or a
// backend says in one takes some KiB; net/http's own bound of 10 MiB, and copies of that, would be everybody's for each request.
const maxHeader = 256 << 10

// forget closes a transport's idle connections after an attempt that took too long: what went mute on one connection, a firewall
// that lost its table for one, has most often gone mute on all, and HTTP/1 would try them one by one, a time-out each.
func (t *Transport) forget(err error) {
	var timed interface{ Timeout() bool }
	if errors.As(err, &timed) && timed.Timeout() {
		t.CloseIdleConnections()
	}
}

// Limit returns a body that fails where it goes beyond a number of bytes: what a backend answers is read into memory.
func Limit(body io.ReadCloser, bytes int64) io.ReadCloser {
	return &limited{ReadCloser: body, left: bytes, limit: bytes}
}

type limited struct {
	io.ReadCloser

	left, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, fmt.Errorf("answer of more than %d bytes", l.limit)
	}
	if int64(len(p)) > l.left+1 { // One more shows whether there is more.
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n - 1, fmt.Errorf("answer of more than %d bytes", l.limit)
	}
	return n, err
}
