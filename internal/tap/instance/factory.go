// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

// Configuration is a pointer to a receiver's own configuration, which embeds [Config].
type Configuration interface {
	confmap.Validator
	base() *Config
}

func (c *Config) base() *Config { return c }

// Open opens the instance of a component that starts. The error names the key that is
// to be changed. What was opened is closed when the component stops, and when its start
// goes wrong.
type Open func(Settings) (*Instance, error)

// Constructor makes the part of a component that captures. Its Start is called once, when
// the collector has started all signals of the component, as only then every exporter
// behind it has been started; it calls open, and Start of the instance when nothing can
// fail any more. Its Shutdown is called at most once, after a Start that went well; when
// it returns, nothing is captured any more.
type Constructor[C Configuration] func(set receiver.Settings, cfg C, open Open) component.Component

// NewFactory returns the factory of a receiver: one component for the three signals of
// one configuration, with one instance behind it.
func NewFactory[C Configuration](
	of component.Type, defaults func() C, capturer Constructor[C], level component.StabilityLevel,
) receiver.Factory {
	f := &factory[C]{capturer: capturer, made: make(map[component.Config]*shared)}
	return receiver.NewFactory(of, func() component.Config { return defaults() },
		receiver.WithTraces(func(
			_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces,
		) (receiver.Traces, error) {
			s := f.shared(set, cfg)
			s.consumers.Traces = next
			return s, nil
		}, level),
		receiver.WithMetrics(func(
			_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics,
		) (receiver.Metrics, error) {
			s := f.shared(set, cfg)
			s.consumers.Metrics = next
			return s, nil
		}, level),
		receiver.WithLogs(func(
			_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs,
		) (receiver.Logs, error) {
			s := f.shared(set, cfg)
			s.consumers.Logs = next
			return s, nil
		}, level),
	)
}

// factory finds the one component that belongs to a configuration.
type factory[C Configuration] struct {
	capturer Constructor[C]

	mu   sync.Mutex
	made map[component.Config]*shared
}

// shared returns the component of cfg, for one more signal.
func (f *factory[C]) shared(set receiver.Settings, cfg component.Config) *shared {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.made[cfg]
	if s == nil {
		own := cfg.(C)
		s = &shared{set: set, cfg: own.base(), forget: func() { f.forget(cfg) }}
		s.capturer = f.capturer(set, own, s.open)
		f.made[cfg] = s
	}
	s.signals++
	return s
}

func (f *factory[C]) forget(cfg component.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.made, cfg)
}
