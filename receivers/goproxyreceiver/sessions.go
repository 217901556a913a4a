// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goauth"
	"github.com/modtap/modtap/internal/redact"
	"github.com/modtap/modtap/internal/session"
)

// SessionsConfig says which requests without a traceparent belong to one build
// session: those with the same client address, user agent and identity.
type SessionsConfig struct {
	// IdleGap is how long nothing may be in flight before the next request opens
	// another session. Default: 5s.
	IdleGap time.Duration `mapstructure:"idle_gap"`
	// MaxDuration is how long after its first request a session is joined at most,
	// so that clients behind one address are no endless session. Default: 1h.
	MaxDuration time.Duration `mapstructure:"max_duration"`
	// MaxOpen is how many sessions are remembered; the longest idle go first.
	// Default: 100000.
	MaxOpen int `mapstructure:"max_open"`
}

func defaultSessions() SessionsConfig {
	return SessionsConfig{IdleGap: 5 * time.Second, MaxDuration: time.Hour, MaxOpen: 100_000}
}

func (s *SessionsConfig) validate() error {
	var errs []error
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"idle_gap", s.IdleGap}, {"max_duration", s.MaxDuration}} {
		if err := checkWait(d.value, "5s"); err != nil {
			errs = append(errs, fmt.Errorf("sessions::%s: %w", d.key, err))
		}
	}
	if s.MaxOpen <= 0 {
		errs = append(errs, fmt.Errorf("sessions::max_open: %d is no number of sessions; write for example 100000", s.MaxOpen))
	}
	return errors.Join(errs...)
}

func (s *SessionsConfig) settings() session.Settings {
	return session.Settings{IdleGap: s.IdleGap, MaxDuration: s.MaxDuration, MaxOpen: s.MaxOpen}
}

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
