// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package healthextension

import (
	"context"

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
			return newHealth(cfg.(*Config), set, s.announce), nil
		}, component.StabilityLevelAlpha)
}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = defaultEndpoint
	server.KeepAlivesEnabled = false // a prober that comes each few seconds needs no connection in between
	return &Config{HTTP: server}
}
