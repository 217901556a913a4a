// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	v2 "github.com/elastic/go-lumber/client/v2"
)

// hosts are the addresses and the open connections to them. One host is used
// until it fails, by as many connections as there are batches at a time.
type hosts struct {
	cfg *Config
	tls *tls.Config // nil: plain TCP.

	mu      sync.Mutex
	current int
	idle    []*connection // The one used last is at the end.
	closed  bool
}

// take returns an idle connection, else a new one.
func (h *hosts) take(ctx context.Context) (*connection, error) {
	h.mu.Lock()
	first, count := h.current, len(h.idle)
	if count > 0 {
		c := h.idle[count-1]
		h.idle = h.idle[:count-1]
		h.mu.Unlock()
		return c, nil
	}
	h.mu.Unlock()

	var errs []error
	for i := range len(h.cfg.Hosts) {
		host := (first + i) % len(h.cfg.Hosts)
		c, err := h.dial(ctx, host)
		if err == nil {
			h.prefer(host)
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (h *hosts) dial(ctx context.Context, host int) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
	defer cancel()
	var socket net.Conn
	var err error
	if h.tls == nil {
		socket, err = new(net.Dialer).DialContext(ctx, "tcp", h.cfg.Hosts[host])
	} else {
		socket, err = (&tls.Dialer{Config: h.tls}).DialContext(ctx, "tcp", h.cfg.Hosts[host])
	}
	if err != nil {
		return nil, err
	}
	client, err := v2.NewWithConn(socket,
		v2.Timeout(h.cfg.Timeout), v2.CompressionLevel(h.cfg.CompressionLevel), v2.JSONEncoder(encoded))
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return &connection{host: host, socket: socket, client: client}, nil
}

func (h *hosts) prefer(host int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current = host
}

// put keeps a connection that works, unless another host is used by now.
func (h *hosts) put(c *connection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || c.host != h.current {
		c.close()
		return
	}
	h.idle = append(h.idle, c)
}

// failed turns to the host behind the one that failed, if no one did already.
func (h *hosts) failed(c *connection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.host != h.current {
		return
	}
	h.current = (c.host + 1) % len(h.cfg.Hosts)
	h.closeIdle()
}

// close closes the idle connections, and those in use when they are put back.
func (h *hosts) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.closeIdle()
}

func (h *hosts) closeIdle() {
	for _, c := range h.idle {
		c.close()
	}
	h.idle = nil
}
