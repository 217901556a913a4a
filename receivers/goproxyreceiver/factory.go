// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"

	"github.com/modtap/modtap/internal/tap/instance"
)

var componentType = component.MustNewType("goproxy")

const stability = component.StabilityLevelAlpha

// announcer tells people where a listener is: what it is ("proxy"), its URL and a remark.
type announcer func(what, where, note string)

// Option changes what a factory makes.
type Option func(*announcer)

// WithAnnounce has receivers say where they are once they listen: what it is
// ("proxy"), its URL and a remark for people.
func WithAnnounce(announce func(what, where, note string)) Option {
	return func(a *announcer) { *a = announce }
}

// NewFactory returns the factory of the goproxy receiver. One receiver serves
// the three signals of one component.
func NewFactory(options ...Option) receiver.Factory {
	announce := announcer(func(string, string, string) {})
	for _, o := range options {
		o(&announce)
	}
	return instance.NewFactory(componentType, newDefaultConfig,
		func(set receiver.Settings, cfg *Config, open instance.Open) component.Component {
			return newReceiver(set, cfg, open, announce)
		}, stability)
}
