// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"net"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// The toolkit reads the web configuration and its files for each connection, and ends a handshake where certificate and key make
// no pair. Whoever renews them writes one after the other, so such a connection waits for the second: as long as a scrape may
// take by default.
const (
	renewalWait = 5 * time.Second
	renewalLook = 50 * time.Millisecond
)

// renewed returns a listener whose connections are read once the web configuration is whole.
func renewed(l net.Listener, webConfig string, ended <-chan struct{}) net.Listener {
	if webConfig == "" {
		return l
	}
	return &renewedListener{Listener: l, webConfig: webConfig, ended: ended}
}

type renewedListener struct {
	net.Listener

	webConfig string
	ended     <-chan struct{}
}

func (l *renewedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &renewedConn{Conn: c, listener: l}, nil
}

// wait returns when the web configuration is whole, or has been none for too long.
func (l *renewedListener) wait() {
	for until := time.Now().Add(renewalWait); web.Validate(l.webConfig) != nil && time.Now().Before(until); {
		select {
		case <-l.ended:
			return
		case <-time.After(renewalLook):
		}
	}
}

// renewedConn waits before the handshake, in the connection's own goroutine.
type renewedConn struct {
	net.Conn

	listener *renewedListener
	once     sync.Once
}

func (c *renewedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.once.Do(c.listener.wait)
	return n, err
}
