// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/config/configtelemetry"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
	otelconf "go.opentelemetry.io/contrib/otelconf/v0.3.0"
	"go.uber.org/zap"
)

// checkTelemetry makes the exporters of service::telemetry, as a start does, and lets go
// of them before they send anything. Log files are checkLogFiles'.
func (c *configured) checkTelemetry(ctx context.Context) error {
	cfg, factory := c.config.Service.Telemetry, c.factories.Telemetry
	if telemetry, ok := cfg.(*otelconftelemetry.Config); ok && hasPort(telemetry) {
		return nil // It would be opened.
	}
	over, stop := context.WithCancel(ctx)
	stop() // A shut-down in this context sends nothing.
	set := telemetry.Settings{BuildInfo: c.set.BuildInfo}
	resource, err := factory.CreateResource(ctx, set, cfg)
	if err != nil {
		return fmt.Errorf("failed to create resource: %w", err)
	}
	set.Resource = &resource
	nowhere := func(built zap.Config, _ ...zap.Option) (*zap.Logger, error) {
		built.OutputPaths, built.ErrorOutputPaths = nil, nil
		return built.Build()
	}
	_, logger, err := factory.CreateLogger(ctx, telemetry.LoggerSettings{Settings: set, BuildZapLogger: nowhere}, cfg)
	if err != nil {
		return fmt.Errorf("failed to create logger: %w", err)
	}
	defer func() { _ = logger.Shutdown(over) }() // That it was cut short is meant.
	views := func(configtelemetry.Level) []otelconf.View { return nil }
	meters, err := factory.CreateMeterProvider(ctx, telemetry.MeterSettings{Settings: set, Logger: zap.NewNop(), DefaultViews: views}, cfg)
	if err != nil {
		return fmt.Errorf("failed to create meter provider: %w", err)
	}
	defer func() { _ = meters.Shutdown(over) }()
	tracers, err := factory.CreateTracerProvider(ctx, telemetry.TracerSettings{Settings: set, Logger: zap.NewNop()}, cfg)
	if err != nil {
		return fmt.Errorf("failed to create tracer provider: %w", err)
	}
	_ = tracers.Shutdown(over)
	return nil
}

// hasPort tells whether a reader of metrics would listen.
func hasPort(cfg *otelconftelemetry.Config) bool {
	for _, reader := range cfg.Metrics.Readers {
		if reader.Pull != nil && reader.Pull.Exporter.Prometheus != nil {
			return true
		}
	}
	return false
}
