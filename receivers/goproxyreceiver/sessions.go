// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goauth"
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

// job returns the CI job that modtap-goauth named in the request's headers.
func job(h http.Header) exchange.CI {
	if h[goauth.HeaderSystem] == nil {
		return exchange.CI{}
	}
	value := func(name string) string { return strings.ToValidUTF8(h.Get(name), "\uFFFD") }
	return exchange.CI{
		System:   value(goauth.HeaderSystem),
		Pipeline: value(goauth.HeaderPipeline), PipelineRun: value(goauth.HeaderPipelineRun), PipelineURL: value(goauth.HeaderPipelineURL),
		Job: value(goauth.HeaderJob), JobRun: value(goauth.HeaderJobRun), JobURL: value(goauth.HeaderJobURL),
	}
}

// removeJob takes out what is meant for Modtap only.
func removeJob(h http.Header) {
	for _, name := range goauth.Headers() {
		delete(h, name)
	}
}
