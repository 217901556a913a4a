// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

var componentType = component.MustNewType("prometheus")

// Option changes what the factory's exporters do.
type Option func(*factory)

// WithGatherer shows what g gathers on the same page, such as the metrics of the
// collector itself. Where both have a metric of one name, the exporter's own
// series come first and those of g must agree in type and help.
func WithGatherer(g prometheus.Gatherer) Option {
	return func(f *factory) { f.others = append(f.others, g) }
}

// WithAnnounce has exporters say where they are once they listen: what it is
// ("metrics"), its URL and a remark for people.
func WithAnnounce(announce func(what, where, note string)) Option {
	return func(f *factory) { f.announce = announce }
}

type factory struct {
	others   prometheus.Gatherers
	announce func(what, where, note string)
}

// NewFactory makes the factory of the exporter "prometheus".
func NewFactory(options ...Option) exporter.Factory {
	f := &factory{announce: func(string, string, string) {}}
	for _, option := range options {
		option(f)
	}
	return exporter.NewFactory(
		componentType,
		createDefaultConfig,
		exporter.WithMetrics(f.createMetrics, component.StabilityLevelAlpha),
	)
}

func createDefaultConfig() component.Config {
	return &Config{Endpoint: "localhost:9464", MetricExpiration: 5 * time.Minute}
}

// createMetrics makes an exporter without queue and retry: when it returns nil
// the points are shown.
func (f *factory) createMetrics(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Metrics, error) {
	e := newExporter(config.(*Config), set, f.others, f.announce)
	return exporterhelper.NewMetrics(ctx, set, config, e.consumeMetrics,
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
	)
}
