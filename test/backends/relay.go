// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"net"
	"sync"
)

// Relay passes TCP connections on to a server, until they are made mute: such a connection stays open on both sides, what comes on
// it is taken and lost, and nobody is told. New ones are passed on.
type Relay struct {
	// Address is where it listens, host:port.
	Address string

	mu      sync.Mutex
	muted   chan struct{} // closed when the connections that there are become mute
	conns   []net.Conn
	running sync.WaitGroup
}

// NewRelay starts a relay that ends with the test.
func NewRelay(tb TB, to string) *Relay {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("relay: %v", err)
	}
	r := &Relay{Address: l.Addr().String(), muted: make(chan struct{})}
	r.running.Go(func() {
		for near, err := l.Accept(); err == nil; near, err = l.Accept() {
			r.connect(near, to)
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		r.mu.Lock()
		for _, c := range r.conns {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.running.Wait()
	})
	return r
}

func (r *Relay) connect(near net.Conn, to string) {
	far, err := net.Dial("tcp", to) //nolint:noctx // ends with the relay
	if err != nil {
		_ = near.Close()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	muted := r.muted
	r.conns = append(r.conns, near, far)
	r.running.Go(func() { pass(far, near, muted) })
	r.running.Go(func() { pass(near, far, muted) })
}

// Silence makes the connections that there are mute.
func (r *Relay) Silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.muted)
	r.muted = make(chan struct{})
}

func pass(to, from net.Conn, muted <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-muted:
		default:
			_, failed := to.Write(buf[:n])
			if failed != nil || err != nil {
				_ = to.Close()
			}
		}
		if err != nil {
			return
		}
	}
}
