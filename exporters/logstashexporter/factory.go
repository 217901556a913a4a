// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

var componentType = component.MustNewType("logstash")

// NewFactory makes the factory of the exporter "logstash".
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		componentType,
		createDefaultConfig,
		exporter.WithLogs(createLogs, component.StabilityLevelAlpha),
	)
}

func createDefaultConfig() component.Config {
	retry := configretry.NewDefaultBackOffConfig()
	retry.MaxElapsedTime = 0
	return &Config{
		WindowSize:       2048,
		CompressionLevel: 3,
		Timeout:          10 * time.Second,
		TLS:              configoptional.Default(configtls.NewDefaultClientConfig()),
		QueueConfig:      configoptional.Some(exporterhelper.NewDefaultQueueConfig()),
		RetryConfig:      retry,
	}
}

func createLogs(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Logs, error) {
	cfg := config.(*Config)
	e := newExporter(cfg, set)
	// The exporter bounds its waits itself: how long an attempt takes is Logstash's
	// affair as long as it shows signs of life.
	logs, err := exporterhelper.NewLogs(ctx, set, cfg, e.pushLogs,
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
		exporterhelper.WithRetry(cfg.RetryConfig),
		exporterhelper.WithQueue(cfg.QueueConfig),
	)
	if err != nil {
		return nil, err
	}
	return &stoppable{Logs: logs, stop: func() { close(e.stopping) }}, nil
}

// stoppable tells the exporter of a stop before the queue waits for what is
// being sent. Unlike the helper's exporter it may be shut down twice.
type stoppable struct {
	exporter.Logs
	stop    func()
	stopped sync.Once
}

func (s *stoppable) Shutdown(ctx context.Context) error {
	var err error
	s.stopped.Do(func() {
		s.stop()
		err = s.Logs.Shutdown(ctx)
	})
	return err
}
