// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"sync"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// InFlight finds, when an egress request arrives, the ingress request that
// caused it, among those that are waiting for their answer's first byte: who
// has sent that isn't waiting for anything any more. It holds one entry for each
// request in flight and one for each egress connection. The zero value is ready
// for use, from any goroutine.
type InFlight struct {
	mu       sync.Mutex
	byFile   map[goproxy.Request][]*Waiting
	byModule map[string][]*Waiting
	bySpan   map[exchange.SpanID]*Waiting
	fetching []*Waiting          // that have caused egress requests, oldest first
	conns    map[string]*Waiting // by the peer's address: who caused its last request
	gone     answered
}

// maxGone bounds the answered requests that are remembered.
const maxGone = 1024

// answered has the last requests that were answered, by the span that was sent to
// the proxy: what one of those caused later runs in the background
// (https://www.rfc-editor.org/rfc/rfc5861), and isn't for who waits now.
type answered struct {
	bySpan map[exchange.SpanID]Cause
	ring   [maxGone]exchange.SpanID
	next   int
}

func (a *answered) add(hop exchange.SpanID, c Cause) {
	if a.bySpan == nil {
		a.bySpan = make(map[exchange.SpanID]Cause, maxGone)
	}
	delete(a.bySpan, a.ring[a.next])
	a.ring[a.next], a.bySpan[hop] = hop, c
	a.next = (a.next + 1) % maxGone
}

// Waiting is an ingress request in flight.
type Waiting struct {
	table   *InFlight
	span    exchange.Span
	session exchange.Session
	request goproxy.Request
	hop     exchange.SpanID
	resent  exchange.SpanID // Of the request that was sent again; zero: none was.
	over    bool            // its first byte is sent
	// caused are the files that egress requests for it asked for.
	caused map[goproxy.Request]int
}

// Cause is what is known of an egress request's cause.
type Cause struct {
	// Span and Session are the ingress request's; zero: none is known.
	Span    exchange.Span
	Session exchange.Session
	// Candidates are those that it could be where the facts don't decide.
	Candidates []exchange.Span
}

// Begin notes that an ingress request waits. hop is the id of the span that it
// sends to the proxy beside us, should that pass it on.
func (t *InFlight) Begin(span exchange.Span, s exchange.Session, request goproxy.Request, hop exchange.SpanID) *Waiting {
	request.Prefix = ""
	w := &Waiting{table: t, span: span, session: s, request: request, hop: hop}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byFile == nil {
		t.byFile, t.byModule = make(map[goproxy.Request][]*Waiting), make(map[string][]*Waiting)
		t.bySpan, t.conns = make(map[exchange.SpanID]*Waiting), make(map[string]*Waiting)
	}
	t.byFile[request] = append(t.byFile[request], w)
	if request.Module != "" {
		t.byModule[request.Module] = append(t.byModule[request.Module], w)
	}
	t.bySpan[span.SpanID] = w
	t.bySpan[hop] = w
	return w
}

// Resent notes that the request to the proxy beside us is sent again, under another
// span. The first one may have reached it.
func (w *Waiting) Resent(hop exchange.SpanID) {
	t := w.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if !w.over {
		w.resent, t.bySpan[hop] = hop, w
	}
}

// Answered notes that the first byte is sent, or that there will be none. It may
// be called again.
func (w *Waiting) Answered() {
	t := w.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.over {
		return
	}
	w.over = true
	drop(t.byFile, w.request, w)
	drop(t.byModule, w.request.Module, w)
	delete(t.bySpan, w.span.SpanID)
	delete(t.bySpan, w.hop)
	delete(t.bySpan, w.resent)
	t.fetching = without(t.fetching, w)
	w.caused = nil
	c := Cause{Span: w.span, Session: w.session}
	c.Span.State = "" // its length is the client's choice
	t.gone.add(w.hop, c)
}

func drop[K comparable](m map[K][]*Waiting, key K, w *Waiting) {
	if rest := without(m[key], w); len(rest) > 0 {
		m[key] = rest
	} else {
		delete(m, key)
	}
}

func without(list []*Waiting, w *Waiting) []*Waiting {
	return slices.DeleteFunc(list, func(x *Waiting) bool { return x == w })
}

// Closed forgets an egress connection.
func (t *InFlight) Closed(conn string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, conn)
}

// Cause returns which ingress request caused an egress request that arrived on
// conn with the trace context remote: the one that it names, if the proxy passed
// our context on, be it answered or not; else one that waits for the same file; else one for the same
// version or module; and of a checksum database's tiles, which name no module,
// the one for which that connection was used before.
func (t *InFlight) Cause(conn string, remote exchange.Span, request goproxy.Request) Cause {
	request.Prefix = ""
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.gone.bySpan[remote.SpanID]; ok && c.Span.TraceID == remote.TraceID {
		return c
	}
	w, candidates := t.find(conn, remote, request)
	if w == nil {
		return Cause{Candidates: spans(candidates)}
	}
	if len(w.caused) == 0 {
		w.caused = make(map[goproxy.Request]int)
		t.fetching = append(t.fetching, w)
	}
	w.caused[request]++
	t.conns[conn] = w
	return Cause{Span: w.span, Session: w.session}
}

func (t *InFlight) find(conn string, remote exchange.Span, request goproxy.Request) (*Waiting, []*Waiting) {
	if w := t.bySpan[remote.SpanID]; w != nil && w.span.TraceID == remote.TraceID {
		return w, nil
	}
	if same := t.byFile[request]; len(same) > 0 {
		return leastServed(same, request), nil
	}
	if request.Module != "" {
		return t.findByModule(request)
	}
	if w := t.conns[conn]; w != nil && !w.over {
		return w, nil
	}
	return only(t.fetching)
}

// findByModule prefers who waits for the same version. A request for a list or
// another query may cause the fetch of any version, so it is a candidate too.
func (t *InFlight) findByModule(request goproxy.Request) (*Waiting, []*Waiting) {
	var version, queries []*Waiting
	for _, w := range t.byModule[request.Module] {
		switch op := w.request.Operation; {
		case op.IsQuery():
			queries = append(queries, w)
		case op.IsFile() && w.request.Version == request.Version:
			version = append(version, w)
		}
	}
	if len(queries) > 0 {
		return only(append(queries, version...))
	}
	if len(version) == 0 {
		return nil, nil
	}
	// A proxy that fetches a version's files together does so for the first one
	// that asked.
	for _, w := range version {
		if len(w.caused) > 0 {
			return w, nil
		}
	}
	return version[0], nil
}

// leastServed returns the oldest of those for which the file was asked least
// often: n requests for one file cause at most n fetches, the earliest first.
func leastServed(list []*Waiting, request goproxy.Request) *Waiting {
	return slices.MinFunc(list, func(a, b *Waiting) int { return a.caused[request] - b.caused[request] })
}

// only returns the one in list, or all of them as candidates.
func only(list []*Waiting) (*Waiting, []*Waiting) {
	if len(list) == 1 {
		return list[0], nil
	}
	return nil, list
}

func spans(list []*Waiting) []exchange.Span {
	var out []exchange.Span
	for _, w := range list[:min(len(list), exchange.MaxCandidates)] {
		out = append(out, w.span)
	}
	return out
}
