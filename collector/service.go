// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/service"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// A configured is a configuration that was read and checked, and what it is made of.
//
// It is run by upstream's service, not by upstream's otelcol.Collector around it,
// which restarts everything at a SIGHUP and can't be told not to.
type configured struct {
	set       otelcol.CollectorSettings
	factories otelcol.Factories
	config    *otelcol.Config
	provider  *otelcol.ConfigProvider
	warned    *observer.ObservedLogs // what the providers logged, of references to variables that aren't set
}

// configure reads the configuration. The caller closes it.
func configure(ctx context.Context, set otelcol.CollectorSettings) (*configured, error) {
	core, warned := observer.New(zapcore.WarnLevel)
	set.ConfigProviderSettings.ResolverSettings.ProviderSettings.Logger = zap.New(core)
	c := &configured{set: set, warned: warned}
	var err error
	if c.factories, err = set.Factories(); err != nil {
		return nil, err
	}
	if c.provider, err = otelcol.NewConfigProvider(set.ConfigProviderSettings); err != nil {
		return nil, err
	}
	if c.config, err = c.provider.Get(ctx, c.factories); err == nil {
		err = confmap.Validate(c.config)
	}
	if err == nil {
		err = claimNames(c.config)
	}
	if err != nil {
		return nil, errors.Join(err, c.close(ctx))
	}
	return c, nil
}

func (c *configured) close(ctx context.Context) error { return c.provider.Shutdown(ctx) }

// validate builds the pipelines without starting anything.
func (c *configured) validate(ctx context.Context) error {
	return service.Validate(ctx, c.settings(nil), c.config.Service)
}

// A running service, and what breaks it.
type started struct {
	*service.Service
	// broke has the errors without which nothing goes on.
	broke chan error
}

// start starts every component. What was started is stopped again if one fails.
func (c *configured) start(ctx context.Context) (*started, error) {
	// A component that breaks during the start or the stop doesn't wait for a reader.
	broke := make(chan error, 64)
	made, err := service.New(ctx, c.settings(broke), c.config.Service)
	if err != nil {
		return nil, err
	}
	logger := made.Logger()
	logGRPC(logger)
	for _, entry := range c.warned.TakeAll() {
		if checked := logger.Check(entry.Level, entry.Message); checked != nil {
			checked.Write(entry.Context...)
		}
	}
	if err := made.Start(ctx); err != nil {
		return nil, errors.Join(err, made.Shutdown(ctx))
	}
	return &started{Service: made, broke: broke}, nil
}

// await returns nil once the end is asked for, and an error if a component broke
// for good before.
func (s *started) await(asked <-chan struct{}) error {
	select {
	case <-asked:
		return nil
	case err := <-s.broke:
		return fmt.Errorf("stopped, as a part can't go on: %w", err)
	}
}

func (c *configured) settings(broke chan error) service.Settings {
	f, cfg := c.factories, c.config
	return service.Settings{
		BuildInfo:           c.set.BuildInfo,
		ReceiversConfigs:    cfg.Receivers,
		ReceiversFactories:  f.Receivers,
		ProcessorsConfigs:   cfg.Processors,
		ProcessorsFactories: f.Processors,
		ExportersConfigs:    cfg.Exporters,
		ExportersFactories:  f.Exporters,
		ConnectorsConfigs:   cfg.Connectors,
		ConnectorsFactories: f.Connectors,
		ExtensionsConfigs:   cfg.Extensions,
		ExtensionsFactories: f.Extensions,
		AsyncErrorChannel:   broke,
		TelemetryFactory:    f.Telemetry,
		BuildZapLogger: func(built zap.Config, options ...zap.Option) (*zap.Logger, error) {
			return built.Build(append(options, c.set.LoggingOptions...)...)
		},
	}
}
