// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

var componentType = component.MustNewType("goproxy")

const stability = component.StabilityLevelAlpha

// Option changes what a factory makes.
type Option func(*shared)

// WithAnnounce has receivers say where they are once they listen: what it is
// ("proxy"), its URL and a remark for people.
func WithAnnounce(announce func(what, where, note string)) Option {
	return func(s *shared) { s.announce = announce }
}

// NewFactory returns the factory of the goproxy receiver. One receiver serves
// the three signals of one component.
func NewFactory(options ...Option) receiver.Factory {
	s := &shared{
		receivers: make(map[component.Config]*goproxyReceiver),
		services:  make(map[string]component.ID),
		announce:  func(string, string, string) {},
	}
	for _, o := range options {
		o(s)
	}
	return receiver.NewFactory(componentType, createDefaultConfig,
		receiver.WithTraces(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
			r, err := s.receiver(set, cfg.(*Config))
			if err == nil {
				r.consumers.Traces = next
			}
			return r, err
		}, stability),
		receiver.WithMetrics(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			r, err := s.receiver(set, cfg.(*Config))
			if err == nil {
				r.consumers.Metrics = next
			}
			return r, err
		}, stability),
		receiver.WithLogs(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
			r, err := s.receiver(set, cfg.(*Config))
			if err == nil {
				r.consumers.Logs = next
			}
			return r, err
		}, stability),
	)
}

// shared finds the one receiver that belongs to a configuration.
type shared struct {
	announce func(what, where, note string)

	mu        sync.Mutex
	receivers map[component.Config]*goproxyReceiver
	services  map[string]component.ID // by service.name
}

func (s *shared) receiver(set receiver.Settings, cfg *Config) (*goproxyReceiver, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.receivers[cfg]; r != nil {
		r.signals++
		return r, nil
	}
	if id, taken := s.services[cfg.ServiceName]; taken {
		return nil, fmt.Errorf("service_name: %q is %s's too: their telemetry couldn't be told apart; give each proxy a name of its own", cfg.ServiceName, id)
	}
	r := &goproxyReceiver{
		cfg: cfg, settings: set, log: set.Logger, announce: s.announce, forget: func() { s.forget(cfg) }, signals: 1,
	}
	s.receivers[cfg] = r
	s.services[cfg.ServiceName] = set.ID
	return r, nil
}

func (s *shared) forget(cfg *Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.receivers, cfg)
	delete(s.services, cfg.ServiceName)
}
