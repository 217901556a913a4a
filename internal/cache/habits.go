// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

const (
	// atOnce is how far apart the go command sends what it asks side by side: a few
	// milliseconds, and more where its machine is busy. Where the session is inferred
	// from requests on several connections, strangers may be among them, and sideBySide
	// is the bound.
	atOnce     = exchange.Time(250 * time.Millisecond)
	sideBySide = exchange.Time(50 * time.Millisecond)
	// again is how long after a 4xx the go command asks again. In between it runs what
	// GOAUTH names.
	again = exchange.Time(500 * time.Millisecond)
	// remembered is how long a command is remembered after its last answer, if there
	// is no room for all.
	remembered = exchange.Time(4 * time.Second)
	// maxAsked bounds what is remembered of one command, maxCommands of how many,
	// maxAskedAll of all: each is a few hundred bytes at most.
	maxAsked    = 1024
	maxCommands = 10_000
	maxAskedAll = 40_000
	// maxModule is the longest module path that is remembered.
	maxModule = 256
)

// habits tells the go command's normal "not found" apart from a real one, by what
// the same command asked around the same time. Both habits are those of one process:
// what others ask, from the same address or through the same proxy, says nothing of
// it. Where that isn't certain, a "not found" stays one.
type habits struct {
	commands map[string]*command // by their digests
	all      int                 // requests that are remembered
	latest   exchange.Time
}

// command is what is remembered of one go command.
type command struct {
	Asked []asked
	Last  exchange.Time // when it asked or was answered
}

// asked is one request of a command.
type asked struct {
	ID         uint64
	Path       string // its digest
	Module     string // of a question, or a go.mod
	Question   string // what is asked of Module, a digest; empty: it is a file, or too long
	Connection uint64
	Begin      exchange.Time
	Header     exchange.Time // when its answer's header was sent
	End        exchange.Time // zero: it isn't answered yet
	Status     int
	Twinned    bool // it was asked for again, or is what was asked again
}

func newHabits() *habits { return &habits{commands: make(map[string]*command)} }

// commandOf returns what one go command's requests have in common, a digest: the
// session, and over HTTP/2, which the go command speaks on one connection, the
// connection. It is empty for what the go command doesn't send.
func commandOf(b *exchange.Begin) string {
	if b.Method != http.MethodGet || b.Session.ID == (exchange.TraceID{}) || !isGo(b.UserAgent) {
		return ""
	}
	key := append(make([]byte, 0, 40), b.Session.ID[:]...)
	key = append(key, b.Session.Root[:]...)
	if b.Protocol == "2" {
		key = binary.LittleEndian.AppendUint64(key, b.Connection)
	}
	return digest(string(key))
}

// isGo reports whether it is the go command that asks, or another program with Go's
// client.
func isGo(agent string) bool {
	return strings.HasPrefix(agent, "Go-http-client/") || strings.HasPrefix(agent, "GoCommand/")
}

func (h *habits) begin(b *exchange.Begin) {
	key := commandOf(b)
	if key == "" {
		return
	}
	h.latest = max(h.latest, b.Time)
	c := h.commands[key]
	if c == nil && len(h.commands) >= maxCommands || h.all >= maxAskedAll {
		h.sweep()
		c = h.commands[key]
	}
	if c == nil {
		c = new(command)
		h.commands[key] = c
	}
	if len(c.Asked) >= maxAsked {
		c.Asked = slices.Delete(c.Asked, 0, maxAsked/8)
		h.all -= maxAsked / 8
	}
	a := asked{ID: b.ID, Path: digest(b.Path), Connection: b.Connection, Begin: b.Time}
	request := b.Request
	if question := question(request); (question != "" || request.Operation == goproxy.Mod) && len(request.Module) <= maxModule {
		a.Module = strings.Clone(request.Module)
		if question != "" {
			a.Question = digest(question)
		}
	}
	c.Asked = append(c.Asked, a)
	c.Last = b.Time
	h.all++
}

// ended notes the answer. Of other files only those that were refused are of interest
// then.
func (h *habits) ended(b *exchange.Begin, e *exchange.End) {
	c := h.commands[commandOf(b)]
	if c == nil {
		return
	}
	i := c.find(b.ID)
	if i < 0 {
		return
	}
	a := &c.Asked[i]
	c.Last = max(c.Last, e.Time)
	if a.Module == "" && (e.Status < http.StatusBadRequest || b.Scheme != "https") {
		c.Asked = slices.Delete(c.Asked, i, i+1)
		h.all--
		return
	}
	a.Header, a.End = e.FirstByte, e.Time
	if e.Disposition == exchange.Complete {
		a.Status = e.Status
	}
}

func (c *command) find(id uint64) int {
	for i := range slices.Backward(c.Asked) {
		if c.Asked[i].ID == id {
			return i
		}
	}
	return -1
}

// judge tells a 4xx that is a habit of the go command as probe or retry_twin.
func (h *habits) judge(b *exchange.Begin, e *exchange.End, v *Verdict) {
	if e.Disposition != exchange.Complete || v.Outcome != NotFound && v.Outcome != Denied && v.Outcome != Refused {
		return
	}
	c := h.commands[commandOf(b)]
	if c == nil {
		return
	}
	i := c.find(b.ID)
	if i < 0 {
		return
	}
	this := &c.Asked[i]
	// modtap-goauth names the session: then it doesn't matter on which connection it asks.
	told := !b.Session.Inferred && b.Session.Root != exchange.SpanID{}
	if b.Scheme == "https" && (told || b.Protocol == "2") && c.twin(this, told) {
		v.Outcome = RetryTwin
		return
	}
	s := search{c, this, atOnce}
	if !told && b.Protocol != "2" {
		s.within = sideBySide
	}
	if v.Outcome == NotFound && v.ErrorType == "" && (b.Scheme == "https" || !s.isMixed()) && s.isProbe() {
		v.Outcome = Probe
	}
}

// twin reports whether this was asked because the same was just answered the same
// way: over HTTPS the go command asks again after each 4xx, once, with what GOAUTH
// gives it then (cmd/go/internal/web/http.go, fetch), and whatever comes of that is
// its answer. It does so soon, over HTTP/2 on the same connection. Over HTTP/1.1, which
// it hardly speaks with TLS, it takes another connection, as it leaves the first
// answer's text unread: who asks twice on one is a proxy, for two of its clients. Of two
// answers to strangers the second is none.
func (c *command) twin(this *asked, told bool) bool {
	for i := range c.Asked {
		first := &c.Asked[i]
		if first.ID != this.ID && !first.Twinned && first.Path == this.Path && first.Status == this.Status &&
			(told || first.Connection == this.Connection && first.Connection != 0) &&
			first.End != 0 && this.Begin >= first.Header && this.Begin-first.End <= again {
			first.Twinned, this.Twinned = true, true
			return true
		}
	}
	return false
}

// sweep forgets commands that haven't asked lately, or all if all have.
func (h *habits) sweep() {
	for key, c := range h.commands {
		if h.latest-c.Last > remembered {
			delete(h.commands, key)
		}
	}
	h.count()
	if len(h.commands) >= maxCommands || h.all >= maxAskedAll {
		clear(h.commands)
		h.all = 0
	}
}

func (h *habits) count() {
	h.all = 0
	for _, c := range h.commands {
		h.all += len(c.Asked)
	}
}

// digest stands for a text of a client's that is only compared: 8 bytes, of
// whatever length it is.
func digest(text string) string {
	return string(binary.LittleEndian.AppendUint64(nil, xxhash.Sum64String(text)))
}
