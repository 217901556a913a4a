// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"time"

	"github.com/modtap/modtap/internal/duration"
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

func (s *SessionsConfig) check() error {
	err := duration.RequireAll("5s",
		duration.Key{Name: "sessions::idle_gap", Value: s.IdleGap}, duration.Key{Name: "sessions::max_duration", Value: s.MaxDuration})
	if s.MaxOpen <= 0 {
		err = errors.Join(err, fmt.Errorf("sessions::max_open: %d is no number of sessions; write for example 100000", s.MaxOpen))
	}
	return err
}

func (s *SessionsConfig) settings() session.Settings {
	return session.Settings{IdleGap: s.IdleGap, MaxDuration: s.MaxDuration, MaxOpen: s.MaxOpen}
}
