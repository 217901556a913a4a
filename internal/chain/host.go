// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// DefaultOpen is [Breaker.Open] where none is set.
const DefaultOpen = 10 * time.Second

// Breaker says when a host that fails is left alone. The zero value: never.
//
// A failure is a request without an answer, one that timed out or broke off, and
// a 5xx. What the protocol or a client's mistake explains (404, 410, other 4xx)
// is none, and a request that the client gave up says nothing.
type Breaker struct {
	// Failures is how many requests in a row have to fail. Zero: the breaker never
	// opens.
	Failures int
	// Open is how long nothing is sent then; after it one request probes, whose
	// end closes or opens the breaker again. Zero: [DefaultOpen].
	Open time.Duration
}

// Circuit is the state of a host's circuit breaker, and the value of the metric
// goproxy.upstream.circuit.state.
type Circuit int64

// The states of a circuit breaker.
const (
	Closed   Circuit = iota // Requests are sent.
	HalfOpen                // One request probes.
	Open                    // None is sent.
)

// Host is what is known of a host that was asked.
type Host struct {
	// Address and Port are server.address and server.port.
	Address string
	Port    uint16
	// Circuit is the state of its circuit breaker.
	Circuit Circuit
	// Expiry is when the certificate that it showed last expires; zero: it showed
	// none.
	Expiry time.Time
}

// maxHosts bounds the hosts that are remembered: beside those of the list there
// are only those to which they redirect. Further ones have no breaker.
const maxHosts = 256

// hosts are the hosts that were asked, by host:port.
type hosts struct {
	breaker Breaker

	mu     sync.Mutex
	byName map[string]*host
}

type host struct {
	circuit *gobreaker.TwoStepCircuitBreaker[struct{}] // Nil: it never opens.

	mu    sync.Mutex
	known Host
}

func newHosts(b Breaker) *hosts {
	return &hosts{breaker: b, byName: make(map[string]*host)}
}

// at returns the host of u; nil, on which all methods work, for one that isn't
// remembered.
func (h *hosts) at(u *url.URL) *host {
	address, port := u.Hostname(), portOf(u)
	if address == "" {
		return nil // A folder.
	}
	name := net.JoinHostPort(address, port)
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.byName[name]
	if at == nil && len(h.byName) < maxHosts {
		at = h.newHost(address, port)
		h.byName[name] = at
	}
	return at
}

func (h *hosts) newHost(address, port string) *host {
	number, _ := strconv.ParseUint(port, 10, 16)
	at := &host{known: Host{Address: address, Port: uint16(number)}}
	if h.breaker.Failures > 0 {
		limit := uint32(h.breaker.Failures)
		at.circuit = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Name:        address,
			Timeout:     orDefault(h.breaker.Open, DefaultOpen),
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= limit },
		})
	}
	return at
}

// all returns the hosts, sorted.
func (h *hosts) all() []Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Host, 0, len(h.byName))
	for _, at := range h.byName {
		at.mu.Lock()
		known := at.known
		at.mu.Unlock()
		known.Circuit = at.state()
		out = append(out, known)
	}
	slices.SortFunc(out, func(a, b Host) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port))
	})
	return out
}

func (h *host) state() Circuit {
	if h == nil || h.circuit == nil {
		return Closed
	}
	switch h.circuit.State() {
	case gobreaker.StateOpen:
		return Open
	case gobreaker.StateHalfOpen:
		return HalfOpen
	default:
		return Closed
	}
}

// allow asks for the leave to send a request; the error is the breaker's.
func (h *host) allow() (*permit, error) {
	p := &permit{host: h}
	if h == nil || h.circuit == nil {
		return p, nil
	}
	var err error
	if p.done, err = h.circuit.Allow(); err != nil {
		return nil, errCircuitOpen(h.known.Address)
	}
	return p, nil
}

// shows remembers the certificate that the host showed, valid or not.
func (h *host) shows(certificates []*x509.Certificate) {
	if h == nil || len(certificates) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known.Expiry = certificates[0].NotAfter
}

// errCircuitOpen is the failure of a request that an open breaker didn't let out.
type errCircuitOpen string

func (e errCircuitOpen) Error() string {
	return fmt.Sprintf("the circuit breaker for %s is open: too many requests in a row failed", string(e))
}

func (errCircuitOpen) ErrorType() string { return wordCircuitOpen }

// permit is the leave to send one request, whose end has to be reported.
type permit struct {
	host *host
	done func(success bool) // Nil: there is no breaker, or it knows the end.
}

// answered reports the answer's header. To a probe it is all: nobody else would
// be let through until the body's end.
func (p *permit) answered(status int) {
	if p.host.state() == HalfOpen {
		p.end(status < 500)
	}
}

// end reports the end.
func (p *permit) end(success bool) {
	if p.done != nil {
		p.done(success)
		p.done = nil
	}
}

// drop reports that nobody waited for the end. A probe can't be left without one:
// no other would follow.
func (p *permit) drop() {
	if p.host.state() == HalfOpen {
		p.end(false)
	}
	p.done = nil
}
