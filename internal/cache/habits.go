// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"slices"
	"strings"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

const (
	// askedWithin is how far apart the requests of one question of the go command
	// are: it sends them side by side, or at once after an answer.
	askedWithin = exchange.Time(2 * time.Second)
	// maxAsked bounds what is remembered of one client, maxClients of how many.
	maxAsked   = 256
	maxClients = 10_000
)

// habits tells the go command's normal "not found" apart from a real one, by what
// the same client asked around the same time:
//   - looking for the module that provides a/b/c it asks for a/b/c, a/b and a
//     (https://go.dev/ref/mod#resolve-pkg-mod), and all but one aren't there;
//   - over HTTPS it sends each request that was answered 4xx a second time.
type habits struct {
	clients map[string][]asked
	latest  exchange.Time
}

// asked is one request of a client.
type asked struct {
	ID      uint64
	Path    string
	Module  string // of a query; empty: not one
	Begin   exchange.Time
	Refused exchange.Time // when it was answered 4xx over HTTPS; zero: it wasn't
	Status  int           // of that answer
}

func newHabits() *habits { return &habits{clients: make(map[string][]asked)} }

func client(b *exchange.Begin) string { return b.Client.Address + "\x00" + b.Client.Name }

func (h *habits) begin(b *exchange.Begin, request goproxy.Request) {
	h.latest = max(h.latest, b.Time)
	key := client(b)
	if _, known := h.clients[key]; !known && len(h.clients) >= maxClients {
		h.sweep()
	}
	list := h.recent(h.clients[key], b.Time)
	if len(list) >= maxAsked {
		list = list[1:]
	}
	a := asked{ID: b.ID, Path: b.Path, Begin: b.Time}
	if isQuery(request) {
		a.Module = request.Module
	}
	h.clients[key] = append(list, a)
}

// judge tells a client's 4xx that is a habit of the go command as probe or retry_twin.
func (h *habits) judge(b *exchange.Begin, e *exchange.End, v *Verdict) {
	if e.Disposition != exchange.Complete || v.Outcome != NotFound && v.Outcome != Refused {
		return
	}
	list := h.clients[client(b)]
	i := slices.IndexFunc(list, func(a asked) bool { return a.ID == b.ID })
	if i < 0 {
		return
	}
	this := &list[i]
	if b.Scheme == "https" {
		if h.twin(list, this, b, e) {
			v.Outcome = RetryTwin
			return
		}
		this.Refused, this.Status = e.Time, e.Status
	}
	if v.Outcome == NotFound && slices.ContainsFunc(list, func(a asked) bool { return related(a.Module, this.Module) }) {
		v.Outcome = Probe
	}
}

// canBeProbe reports whether a "not found" is one of those that the go command
// asks for side by side: the others may come a moment later.
func canBeProbe(b *exchange.Begin, e *exchange.End) bool {
	return e.Disposition == exchange.Complete && outcome(e) == NotFound && isQuery(goproxy.Parse(b.Path))
}

// twin reports whether the client had the same answer just before it asked; each
// answer has one twin.
func (h *habits) twin(list []asked, this *asked, b *exchange.Begin, e *exchange.End) bool {
	for i := range list {
		first := &list[i]
		if first != this && first.Refused != 0 && first.Path == b.Path && first.Status == e.Status &&
			b.Time >= first.Refused && b.Time-first.Refused <= askedWithin {
			first.Refused = 0
			return true
		}
	}
	return false
}

// related reports whether one module path is above the other.
func related(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a != "" && len(a) < len(b) && strings.HasPrefix(b, a) && b[len(a)] == '/'
}

// isQuery reports whether r is what the go command asks to find a module.
func isQuery(r goproxy.Request) bool {
	switch r.Operation {
	case goproxy.List, goproxy.Latest, goproxy.Query, goproxy.Info:
		return true
	}
	return false
}

// recent drops what is too long ago to matter.
func (h *habits) recent(list []asked, now exchange.Time) []asked {
	n := 0
	for n < len(list) && now-list[n].Begin > 2*askedWithin && now-list[n].Refused > askedWithin {
		n++
	}
	return list[n:]
}

// sweep forgets clients that haven't asked lately, or all if all have.
func (h *habits) sweep() {
	for key, list := range h.clients {
		if len(h.recent(list, h.latest)) == 0 {
			delete(h.clients, key)
		}
	}
	if len(h.clients) >= maxClients {
		clear(h.clients)
	}
}
