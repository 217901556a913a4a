// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/modtap/modtap/internal/outbound"
)

var componentType = component.MustNewType("jaeger")

// NewFactory makes the factory of the exporter "jaeger".
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		componentType,
		createDefaultConfig,
		exporter.WithTraces(createTraces, component.StabilityLevelAlpha),
	)
}

func createDefaultConfig() component.Config {
	client := confighttp.NewDefaultClientConfig()
	client.Timeout = 10 * time.Second
	client.HTTP2ReadIdleTimeout, client.HTTP2PingTimeout = outbound.PingAfter, outbound.PingTimeout
	retry := configretry.NewDefaultBackOffConfig()
	retry.MaxElapsedTime = 0
	return &Config{
		ClientConfig:   client,
		MaxPacketSize:  defaultPacketSize,
		RemoteSampling: configoptional.Default(RemoteSamplingConfig{RefreshInterval: time.Minute}),
		QueueConfig:    configoptional.Some(exporterhelper.NewDefaultQueueConfig()),
		RetryConfig:    retry,
	}
}

func createTraces(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Traces, error) {
	cfg := config.(*Config)
	e, err := newExporter(cfg, set)
	if err != nil {
		return nil, err
	}
	queued, err := exporterhelper.NewTraces(ctx, set, cfg, e.pushTraces,
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: cfg.ClientConfig.Timeout}),
		exporterhelper.WithRetry(cfg.RetryConfig),
		exporterhelper.WithQueue(cfg.QueueConfig),
	)
	if err != nil || !cfg.RemoteSampling.HasValue() {
		return queued, err
	}
	return newSampling(cfg, set, queued)
}
