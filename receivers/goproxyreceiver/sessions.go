// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goauth"
	"github.com/modtap/modtap/internal/redact"
	"github.com/modtap/modtap/internal/session"
)

// job returns the CI job that modtap-goauth, or whoever, named in the request's
// headers, without secrets.
func job(h http.Header) exchange.CI {
	if h[goauth.HeaderSystem] == nil {
		return exchange.CI{}
	}
	value := func(name string) string { return redact.Text(strings.ToValidUTF8(h.Get(name), "\uFFFD")) }
	link := func(name string) string { return redact.Address(h.Get(name)) }
	return exchange.CI{
		System:   value(goauth.HeaderSystem),
		Pipeline: value(goauth.HeaderPipeline), PipelineRun: value(goauth.HeaderPipelineRun), PipelineURL: link(goauth.HeaderPipelineURL),
		Job: value(goauth.HeaderJob), JobRun: value(goauth.HeaderJobRun), JobURL: link(goauth.HeaderJobURL),
	}
}

// ownConnection reports whether the connection that r came on says whose it is, as
// far as r tells: a proxy in between shares its own among clients, and one that
// serves a single request is nobody's in particular.
func ownConnection(r *http.Request) bool {
	return !relayed(r) && r.ProtoAtLeast(1, 1) && !r.Close
}

// relayed reports whether r itself says that somebody sent it on: in a header, or in
// that Go's client, which names the version of HTTP that it speaks, spoke another one.
func relayed(r *http.Request) bool {
	for _, name := range []string{"Via", "Forwarded", "X-Forwarded-For"} {
		if r.Header[name] != nil {
			return true
		}
	}
	version, ok := strings.CutPrefix(r.UserAgent(), "Go-http-client/")
	return ok && version != strings.TrimPrefix(r.Proto, "HTTP/")
}

// connected returns what a connection from addr is evidence of.
func (in *handler) connected(addr net.Addr) *session.Conn {
	peer, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return nil
	}
	return in.sessions.Connected(in.recorder.Now(), peer.Addr().Unmap())
}

// left notes that a connection is closed.
func (in *handler) left(c *session.Conn) {
	if !in.gate.TryRLock() { // the stop is over, and all of it recorded
		return
	}
	defer in.gate.RUnlock()
	if s := c.Closed(in.recorder.Now()); s.ID != (exchange.TraceID{}) {
		in.recorder.Left(s)
	}
}

// removeJob takes out what is meant for Modtap only.
func removeJob(h http.Header) {
	delete(h, goauth.HeaderOwner)
	for _, name := range goauth.Headers() {
		delete(h, name)
	}
}
