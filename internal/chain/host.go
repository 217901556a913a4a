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
	"strings"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/modtap/modtap/internal/exchange"
)

// DefaultOpen is [Breaker.Open] where none is set.
const DefaultOpen = 10 * time.Second

// Breaker says when a host that fails is left alone. The zero value: never.
//
// A connection that doesn't come about (refused, unreachable, no such name, TLS, a
// time-out of the dialing) is a failure of the host, and so is an answer that doesn't
// come in time: as that can be the fault of what was asked for, all those about one
// module are one failure, those about paths above and below it included, which the go
// command probes. Any answer ends that row.
//
// An answer of 5xx, and one that breaks off, is a failure of the module: the breaker
// opens for that one at that host, and others are asked for as ever. What the protocol
// or a client's mistake explains (404, 410, other 4xx) is no failure and ends a row. A
// request that the client gave up says nothing.
type Breaker struct {
	// Failures is how many failures in a row open the breaker. Zero: it never opens.
	Failures int
	// Open is how long nothing is sent then; after it one request probes. Its end
	// closes the breaker, unless it is a failure and the row is still long enough:
	// then it opens again. Zero: [DefaultOpen].
	Open time.Duration
}

// Circuit is the state of a host's circuit breaker.
type Circuit uint8

// The states of a circuit breaker.
const (
	Closed   Circuit = iota // Requests are sent.
	HalfOpen                // One request probes.
	Open                    // None is sent.
)

// String returns closed, half_open or open.
func (c Circuit) String() string {
	switch c {
	case HalfOpen:
		return "half_open"
	case Open:
		return "open"
	}
	return "closed"
}

// Host is what is known of a host that was asked.
type Host struct {
	// Address and Port are server.address and server.port; of a host to which an
	// upstream redirected, those of the upstream as it is configured.
	Address string
	Port    uint16
	// Redirected is true for such a host.
	Redirected bool
	// Circuit is the state of its circuit breaker.
	Circuit Circuit
	// Expiry is when the certificate that it showed last expires; zero: it showed
	// none within the last [ShownFor].
	Expiry time.Time
}

// ShownFor is how long a certificate that a host showed is taken for the one that it
// has: of a host that nobody has connected to for longer nothing is known.
const ShownFor = 24 * time.Hour

// maxHosts bounds the hosts that are remembered. Those of the list are few; of those
// to which they redirect the one that was asked longest ago makes room.
const maxHosts = 256

// hostTTL is how long a host to which an upstream redirected is remembered: what it
// showed once isn't to be told for ever.
const hostTTL = time.Hour

// hosts are the hosts that were asked, by host:port.
type hosts struct {
	breaker Breaker

	mu     sync.Mutex
	byName map[string]*host
}

type host struct {
	address string
	circuit *gobreaker.TwoStepCircuitBreaker[struct{}] // Nil: it never opens.
	limit   int
	open    time.Duration

	pinned bool      // It is an element's own. As used guarded by hosts.mu.
	used   time.Time // When it was asked last.

	mu       sync.Mutex
	known    Host
	shown    time.Time // When it showed the certificate that expires at known.Expiry.
	row      []string  // The failures in a row, by subject; empty: the host's own.
	subjects subjects
}

func newHosts(b Breaker) *hosts {
	return &hosts{breaker: b, byName: make(map[string]*host)}
}

// at returns the host of u, to which the configured origin led; nil, on which all
// methods work, for a folder.
func (h *hosts) at(u, origin *url.URL) *host {
	address, port := u.Hostname(), portOf(u)
	if address == "" {
		return nil
	}
	name := net.JoinHostPort(address, port)
	configured, number := endpoint(origin)
	pinned := address == configured && port == portOf(origin)
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.byName[name]
	if at == nil {
		h.makeRoom()
		at = h.newHost(address, Host{Address: configured, Port: number, Redirected: !pinned})
		h.byName[name] = at
	}
	at.used = time.Now()
	if pinned && !at.pinned {
		at.pinned = true
		at.mu.Lock()
		at.known.Address, at.known.Port, at.known.Redirected = configured, number, false
		at.mu.Unlock()
	}
	return at
}

// makeRoom forgets the host that was asked longest ago if there are too many.
func (h *hosts) makeRoom() {
	if len(h.byName) < maxHosts {
		return
	}
	oldest := ""
	for name, at := range h.byName {
		if !at.pinned && (oldest == "" || at.used.Before(h.byName[oldest].used)) {
			oldest = name
		}
	}
	delete(h.byName, oldest)
}

func (h *hosts) newHost(address string, known Host) *host {
	at := &host{address: address, known: known, pinned: !known.Redirected, limit: h.breaker.Failures, open: orDefault(h.breaker.Open, DefaultOpen), subjects: make(subjects)}
	if at.limit > 0 {
		at.circuit = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Timeout:     at.open,
			ReadyToTrip: func(gobreaker.Counts) bool { return at.hasFailed() },
		})
	}
	return at
}

// all returns the hosts, sorted.
func (h *hosts) all() []Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Host, 0, len(h.byName))
	for name, at := range h.byName {
		if !at.pinned && time.Since(at.used) >= hostTTL {
			delete(h.byName, name)
			continue
		}
		at.mu.Lock()
		known := at.known
		if time.Since(at.shown) >= ShownFor {
			known.Expiry = time.Time{}
		}
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

// allow asks for the leave to send a request about a subject; the error is the
// breaker's.
func (h *host) allow(subject string) (*permit, error) {
	p := &permit{host: h, subject: subject}
	if h == nil || h.circuit == nil {
		return p, nil
	}
	h.mu.Lock()
	allowed := h.subjects.allow(subject, h.limit, h.open)
	h.mu.Unlock()
	if !allowed {
		return nil, errCircuitOpen(subject + " at " + h.address)
	}
	var err error
	if p.done, err = h.circuit.Allow(); err != nil {
		h.dropped(subject)
		return nil, errCircuitOpen(h.address)
	}
	return p, nil
}

func (h *host) dropped(subject string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subjects.dropped(subject)
}

// failed lengthens the row by a failure and tells whether it is long enough. The
// host's own failures each count, until one that isn't shows that connections come
// about again. Of the others one of each subject counts, and of subjects that are
// above each other the lowest.
func (h *host) failed(subject string, own bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := -1
	if own {
		subject = ""
	} else {
		h.row = slices.DeleteFunc(h.row, func(s string) bool { return s == "" })
		i = slices.IndexFunc(h.row, func(s string) bool { return related(s, subject) })
	}
	switch {
	case i >= 0 && len(subject) > len(h.row[i]):
		h.row[i] = subject
	case i < 0 && len(h.row) < h.limit:
		h.row = append(h.row, subject)
	}
	return len(h.row) >= h.limit
}

func (h *host) hasFailed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.row) >= h.limit
}

// answered ends the row.
func (h *host) answered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.row = h.row[:0]
}

// related reports whether one path is the other or above it.
func related(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return strings.HasPrefix(b, a) && (len(a) == len(b) || b[len(a)] == '/')
}

// shows remembers the certificate that the host showed, valid or not.
func (h *host) shows(certificates []*x509.Certificate) {
	if h == nil || len(certificates) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known.Expiry, h.shown = certificates[0].NotAfter, time.Now()
}

// errCircuitOpen is the failure of a request that an open breaker didn't let out.
type errCircuitOpen string

func (e errCircuitOpen) Error() string {
	return fmt.Sprintf("the circuit breaker for %s is open: too many requests in a row failed", string(e))
}

func (errCircuitOpen) ErrorType() string { return exchange.ErrorCircuitOpen }

// permit is the leave to send one request, whose end has to be reported.
type permit struct {
	host    *host
	subject string
	done    func(success bool) // Nil: there is no breaker, or it knows the end.
}

// answered reports the answer's header. To a probe of the host it is all: nobody else
// would be let through until the body's end.
func (p *permit) answered() {
	if p.done != nil {
		p.host.answered()
	}
	if p.host.state() == HalfOpen {
		p.end(true)
	}
}

// succeed reports an end that says nothing against the host and what it was asked for.
func (p *permit) succeed() {
	p.count(func(h *host) { delete(h.subjects, p.subject) })
	p.end(true)
}

// failSubject reports a failure of what was asked for: the host is there.
func (p *permit) failSubject() {
	p.count(func(h *host) {
		h.row = slices.DeleteFunc(h.row, func(s string) bool { return s == "" })
		h.subjects.failed(p.subject)
	})
	p.end(true)
}

// fail reports a failure of the host: no connection, which is its own, or no answer in
// time, which can be that of what was asked for too.
func (p *permit) fail(own bool) {
	p.count(func(h *host) {
		if own {
			h.subjects.dropped(p.subject)
		} else {
			h.subjects.failed(p.subject)
		}
	})
	if p.done != nil {
		long := p.host.failed(p.subject, own)
		p.end(!long) // A probe that isn't the last straw closes the breaker.
	}
}

// drop reports that nobody waited for the end. A probe can't be left without one:
// no other would follow.
func (p *permit) drop() {
	p.count(func(h *host) { h.subjects.dropped(p.subject) })
	if p.host.state() == HalfOpen {
		p.end(false)
	}
	p.done = nil
}

// count changes what is known of the subject, if there is a breaker.
func (p *permit) count(change func(*host)) {
	if p.host == nil || p.host.circuit == nil {
		return
	}
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	change(p.host)
}

func (p *permit) end(success bool) {
	if p.done != nil {
		p.done(success)
		p.done = nil
	}
}

// open tells whether the breaker is, for the host or what was asked for.
func (p *permit) open() bool {
	if p.host.state() == Open {
		return true
	}
	open := false
	p.count(func(h *host) {
		s := h.subjects[p.subject]
		open = s != nil && s.row >= h.limit
	})
	return open
}
