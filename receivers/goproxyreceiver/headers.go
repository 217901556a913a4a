// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"
)

// putHeader gives the client the answer's header as it is, and keeps the server
// from adding its own. Behind the body come its trailers.
func putHeader(h http.Header, answer *http.Response, protoMajor int) trailers {
	t := trailers{announced: len(answer.Trailer), named: removeHopByHop(answer.Header)}
	maps.Copy(h, answer.Header)
	for _, name := range []string{"Date", "Content-Type"} {
		if _, sent := h[name]; !sent {
			h[name] = nil
		}
	}
	for name := range answer.Trailer {
		if !t.hop(name) {
			h.Add("Trailer", name)
		}
	}
	if answer.StatusCode == http.StatusNotModified {
		keepNotModified(h, protoMajor)
	}
	return t
}

// keepNotModified saves what the server would take from a 304: it knows the names
// in canonical form only. In HTTP/2 Go's own client takes the length for that of a
// body which never comes, so there it is left out.
func keepNotModified(h http.Header, protoMajor int) {
	if protoMajor == 1 {
		h["content-type"], h["content-length"] = h["Content-Type"], h["Content-Length"]
		delete(h, "Content-Type")
	}
	delete(h, "Content-Length")
}

// trailers are those of an answer, as far as its header tells.
type trailers struct {
	announced int
	named     []string // in Connection
}

// put gives the client the trailers, once the body has been read.
func (t trailers) put(h http.Header, answer *http.Response) {
	prefix := "" // those that weren't announced need one
	if len(answer.Trailer) != t.announced {
		prefix = http.TrailerPrefix
	}
	for name, values := range answer.Trailer {
		if len(values) > 0 && !t.hop(name) { // one that was announced and didn't come would keep HTTP/2 waiting
			h[prefix+name] = values
		}
	}
}

// hop tells whether the trailer is one connection's.
func (t trailers) hop(name string) bool {
	return slices.Contains(hopByHop, name) || slices.Contains(t.named, name)
}

// earlyHints passes informational answers (1xx) on until the final one.
type earlyHints struct {
	w    http.ResponseWriter
	none bool // the client speaks HTTP/1.0, which has none (RFC 9110, section 15.2)

	mu   sync.Mutex // the transport calls pass from a goroutine of its own
	over bool
}

func (e *earlyHints) pass(code int, header textproto.MIMEHeader) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over || e.none || code == http.StatusContinue { // that one the server sends itself, when the body is read
		return nil
	}
	h := e.w.Header()
	removeHopByHop(http.Header(header))
	maps.Copy(h, http.Header(header))
	e.w.WriteHeader(code)
	for name := range header {
		delete(h, name)
	}
	return nil
}

func (e *earlyHints) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
}

// hopByHop are the headers of one connection (RFC 9110, section 7.6.1).
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// removeHopByHop takes the headers of one connection out of a message, be it a
// request, an informational answer or a final one. It returns the names that
// Connection had.
func removeHopByHop(h http.Header) []string {
	names := named(h)
	for _, name := range names {
		delete(h, name)
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
	return names
}

// named returns the names of headers that Connection has.
func named(h http.Header) (names []string) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.TrimString(name); name != "" {
				names = append(names, http.CanonicalHeaderKey(name))
			}
		}
	}
	return names
}

func wantsTrailers(h http.Header) bool {
	for _, line := range h["Te"] {
		if strings.Contains(strings.ToLower(line), "trailers") {
			return true
		}
	}
	return false
}
