// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package healthextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/extension"
)

var componentType = component.MustNewType("health")

// defaultEndpoint is where upstream's health_check listens too.
const defaultEndpoint = "127.0.0.1:13133"

// An Option changes what [NewFactory] makes.
type Option func(*settings)

type settings struct {
	announce func(what, where, note string)
	checks   []check
}

// A check asks a part that is no component whether it is well.
type check struct {
	part string // by its key in the configuration
	// fault returns since when it isn't well and why; nil: it is well.
	fault func() (time.Time, error)
}

// WithCheck has /healthy ask a part of the process that is no component and so
// reports no status. part is its key in the configuration.
func WithCheck(part string, fault func() (since time.Time, err error)) Option {
	return func(s *settings) { s.checks = append(s.checks, check{part, fault}) }
}

// WithAnnounce is told "health" and its URL once the extension listens, which is
// the only way to know the port where the configuration says 0.
func WithAnnounce(announce func(what, where, note string)) Option {
	return func(s *settings) { s.announce = announce }
}

// NewFactory makes the factory of the extension "health".
func NewFactory(options ...Option) extension.Factory {
	s := settings{announce: func(_, _, _ string) {}}
	for _, option := range options {
		option(&s)
	}
	return extension.NewFactory(componentType, createDefaultConfig,
		func(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
			h := newHealth(cfg.(*Config), set, s.announce)
			h.faults.checks = s.checks
			return h, nil
		}, component.StabilityLevelAlpha)
}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = defaultEndpoint
	server.KeepAlivesEnabled = false // a prober that comes each few seconds needs no connection in between
	return &Config{HTTP: server}
}
