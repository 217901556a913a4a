// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"context"
	"fmt"
	"net"

	v2 "github.com/elastic/go-lumber/client/v2"
)

// connection is one to a host. It must not be used by two goroutines at once.
type connection struct {
	host   int // Its index among the hosts.
	socket net.Conn
	client *v2.Client
	used   bool // A window was acknowledged on it.
}

// send sends a window and waits for its acknowledgement. It returns how many of
// the events, from the first on, are acknowledged; all of them if the error is
// nil. After an error the connection is of no use. A keep-alive, which
// acknowledges nothing new, lets it wait on unless stopping is closed.
func (c *connection) send(ctx context.Context, stopping <-chan struct{}, window []any) (int, error) {
	// The library sets deadlines of its own, so a cancelled send is closed.
	defer context.AfterFunc(ctx, func() { _ = c.socket.Close() })()
	acknowledged, err := c.exchange(stopping, window)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	c.used = true
	return acknowledged, err
}

// exchange isn't left to the library's AwaitACK, which forgets a partial
// acknowledgement when the connection breaks behind it.
func (c *connection) exchange(stopping <-chan struct{}, window []any) (int, error) {
	if err := c.client.Send(window); err != nil {
		return 0, err
	}
	acknowledged := 0
	for acknowledged < len(window) {
		sequence, err := c.client.ReceiveACK()
		switch {
		case err != nil:
			return acknowledged, err
		case int64(sequence) > int64(len(window)):
			return 0, fmt.Errorf("acknowledgement of %d events, where %d were sent", sequence, len(window))
		}
		acknowledged = max(acknowledged, int(sequence))
		select {
		case <-stopping:
			if acknowledged < len(window) {
				return acknowledged, errStopping
			}
		default:
		}
	}
	return acknowledged, nil
}

func (c *connection) close() { _ = c.socket.Close() } // There is nothing left to be done about it.
