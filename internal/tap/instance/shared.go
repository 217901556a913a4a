// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"

	"github.com/modtap/modtap/internal/tap"
)

// shared is a component as the collector has it: several times, once for each signal.
type shared struct {
	set       receiver.Settings
	cfg       *Config
	capturer  component.Component
	consumers tap.Consumers
	forget    func()

	signals int // that the collector made of it
	started int // of them

	stop     sync.Once
	host     component.Host
	instance *Instance // nil: it isn't open
	runs     bool
}

var (
	_ receiver.Traces  = (*shared)(nil)
	_ receiver.Metrics = (*shared)(nil)
	_ receiver.Logs    = (*shared)(nil)
)

// Start starts to capture, with the last of the signals.
func (s *shared) Start(ctx context.Context, host component.Host) error {
	if s.started++; s.started < s.signals {
		return nil
	}
	s.host = host
	if err := s.capturer.Start(ctx, host); err != nil {
		s.close(ctx)
		return err
	}
	s.runs = true
	return nil
}

// open is an [Open].
func (s *shared) open(settings Settings) (*Instance, error) {
	if err := running.Claim(s.cfg.ServiceName, s.set.ID); err != nil {
		return nil, err
	}
	in, err := open(s.set, s.cfg, s.consumers, s.host, settings)
	if err != nil {
		running.free(s.cfg.ServiceName)
		return nil, err
	}
	s.instance = in
	return in, nil
}

// close closes what open opened.
func (s *shared) close(ctx context.Context) {
	if s.instance != nil {
		s.instance.close(ctx)
		s.instance = nil
		running.free(s.cfg.ServiceName)
	}
}

// Shutdown ends the capturing, and emits what has ended. It may be called several times,
// and without Start.
func (s *shared) Shutdown(ctx context.Context) (err error) {
	s.stop.Do(func() {
		defer s.forget()
		if s.runs {
			err = s.capturer.Shutdown(ctx)
		}
		s.close(ctx)
	})
	return err
}
