// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"
)

// patience is how long an answer may take; a paused Modtap gives it late.
const patience = 90 * time.Second

// record is what one request came to.
type record struct {
	trace        string // its trace id: its identity in every backend
	path         string
	began, ended time.Time
	err          error // nil: answered completely
}

// client asks one server and keeps a record of each request. net/http's client
// isn't used since it sends a request again, with the same trace id, when a
// connection breaks.
type client struct {
	address string
	files   map[string][]byte // what the answers must be

	mu      sync.Mutex
	idle    []*connection
	sent    int
	records []record
}

type connection struct {
	net.Conn
	reader *bufio.Reader
}

// get asks for path once.
func (c *client) get(path string) error {
	var id [24]byte
	_, _ = rand.Read(id[:]) // it never fails, its documentation says
	c.mu.Lock()
	c.sent++
	c.mu.Unlock()
	r := record{trace: hex.EncodeToString(id[:16]), path: path, began: time.Now()}
	r.err = c.exchange(path, "00-"+r.trace+"-"+hex.EncodeToString(id[16:])+"-01")
	r.ended = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, r)
	return r.err
}

func (c *client) exchange(path, traceparent string) error {
	connection, err := c.connect()
	if err != nil {
		return err
	}
	kept, err := connection.exchange(c.address, path, traceparent, c.files[path])
	if err != nil || !kept {
		return errors.Join(err, connection.Close())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, connection)
	return nil
}

// exchange sends one request and reads its answer; kept says that the connection
// can be used again.
func (c *connection) exchange(host, path, traceparent string, want []byte) (kept bool, err error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\nTraceparent: %s\r\n\r\n", path, host, traceparent); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return false, err
	case answer.StatusCode != http.StatusOK:
		return false, fmt.Errorf("GET %s: %s: %.200s", path, answer.Status, body)
	case !bytes.Equal(body, want):
		return false, fmt.Errorf("GET %s: a body of %d bytes that isn't the origin's of %d", path, len(body), len(want))
	}
	return !answer.Close, nil
}

// connect returns an idle connection that the server hasn't closed, or a new one.
func (c *client) connect() (*connection, error) {
	for {
		c.mu.Lock()
		if len(c.idle) == 0 {
			c.mu.Unlock()
			break
		}
		last := c.idle[len(c.idle)-1]
		c.idle = c.idle[:len(c.idle)-1]
		c.mu.Unlock()
		if open(last.Conn) {
			return last, nil
		}
		_ = last.Close()
	}
	dialed, err := net.DialTimeout("tcp", c.address, patience)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: dialed, reader: bufio.NewReader(dialed)}, nil
}

// open reports whether nothing, not even its end, waits to be read.
func open(c net.Conn) (waits bool) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		waits = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return waits && err == nil
}

// close closes the idle connections.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, connection := range c.idle {
		_ = connection.Close()
	}
	c.idle = nil
}

// begun is how many requests there were, those without an answer yet included.
func (c *client) begun() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// all returns the records so far.
func (c *client) all() []record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clip(c.records)
}
