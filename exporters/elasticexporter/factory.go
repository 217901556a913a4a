// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

var componentType = component.MustNewType("elastic")

// NewFactory makes the factory of the exporter "elastic".
func NewFactory() exporter.Factory {
	// Logs and traces of one component append to the same dead-letter file.
	f := &factory{appending: new(sync.Mutex)}
	return exporter.NewFactory(
		componentType,
		createDefaultConfig,
		exporter.WithLogs(f.createLogs, component.StabilityLevelAlpha),
		exporter.WithTraces(f.createTraces, component.StabilityLevelAlpha),
	)
}

type factory struct {
	appending *sync.Mutex
}

func createDefaultConfig() component.Config {
	retry := configretry.NewDefaultBackOffConfig()
	retry.MaxElapsedTime = 0
	return &Config{
		Index:       "modtap-requests",
		SpansIndex:  "modtap-spans",
		Template:    true,
		Compression: configcompression.TypeGzip,
		DeadLetter:  DeadLetterConfig{MaxMegabytes: 100},
		TLS:         configtls.NewDefaultClientConfig(),
		Timeout:     10 * time.Second,
		QueueConfig: configoptional.Some(exporterhelper.NewDefaultQueueConfig()),
		RetryConfig: retry,
	}
}

func (f *factory) createLogs(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Logs, error) {
	cfg := config.(*Config)
	e, err := newExporter(cfg, cfg.Index, f.appending, set)
	if err != nil {
		return nil, err
	}
	logs, err := exporterhelper.NewLogs(ctx, set, cfg, e.pushLogs, options(e)...)
	if err != nil {
		return nil, err
	}
	return &stoppingLogs{Logs: logs, e: e}, nil
}

func (f *factory) createTraces(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Traces, error) {
	cfg := config.(*Config)
	e, err := newExporter(cfg, cfg.SpansIndex, f.appending, set)
	if err != nil {
		return nil, err
	}
	traces, err := exporterhelper.NewTraces(ctx, set, cfg, e.pushTraces, options(e)...)
	if err != nil {
		return nil, err
	}
	return &stoppingTraces{Traces: traces, e: e}, nil
}

func options(e *elasticExporter) []exporterhelper.Option {
	return []exporterhelper.Option{
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: e.cfg.Timeout}),
		exporterhelper.WithRetry(e.cfg.RetryConfig),
		exporterhelper.WithQueue(e.cfg.QueueConfig),
	}
}

// stoppingLogs bounds a stop: the helper sends what its queue in memory holds
// before it stops, each batch with a time-out of its own.
type stoppingLogs struct {
	exporter.Logs

	e *elasticExporter
}

func (s *stoppingLogs) Shutdown(ctx context.Context) error {
	defer s.e.stopWithin(s.e.cfg.Timeout)()
	return s.Logs.Shutdown(ctx)
}

// stoppingTraces is what stoppingLogs is, for spans.
type stoppingTraces struct {
	exporter.Traces

	e *elasticExporter
}

func (s *stoppingTraces) Shutdown(ctx context.Context) error {
	defer s.e.stopWithin(s.e.cfg.Timeout)()
	return s.Traces.Shutdown(ctx)
}
