// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	otelconf "go.opentelemetry.io/contrib/otelconf/v0.3.0"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configtelemetry"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// newRegistry returns the registry of Modtap's own metrics: the Go runtime's
// and the process's now, the collector's once a meter provider reads into it.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newBuildInfo(),
	)
	return registry
}

// newBuildInfo returns modtap_build_info, as each program that Prometheus scrapes has
// one: always 1, and what is running in its labels.
func newBuildInfo() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "modtap_build_info",
		Help: "Always 1; its labels are the version of Modtap that runs, the commit and the version of Go that it was built from.",
		ConstLabels: prometheus.Labels{
			"version": currentVersion(), "revision": currentRevision(), "goversion": runtime.Version(),
		},
	}, func() float64 { return 1 })
}

// newTelemetryFactory returns upstream's telemetry factory with another meter
// provider: it reads into registry, which the Prometheus exporter serves beside
// the proxy's metrics, so that no second port (upstream's 8888) is opened. Readers
// that a user configures, a push over OTLP for one, are kept beside it.
func newTelemetryFactory(registry *prometheus.Registry) telemetry.Factory {
	upstream := otelconftelemetry.NewFactory()
	return telemetry.NewFactory(
		func() component.Config {
			cfg := upstream.CreateDefaultConfig().(*otelconftelemetry.Config)
			// Upstream's validation wants a reader: this empty one stands for ours.
			cfg.Metrics.Readers = []otelconf.MetricReader{{}}
			return cfg
		},
		telemetry.WithCreateResource(upstream.CreateResource),
		telemetry.WithCreateLogger(upstream.CreateLogger),
		telemetry.WithCreateTracerProvider(upstream.CreateTracerProvider),
		telemetry.WithCreateMeterProvider(func(ctx context.Context, set telemetry.MeterSettings, cfg component.Config) (telemetry.MeterProvider, error) {
			metrics := cfg.(*otelconftelemetry.Config).Metrics
			if metrics.Level == configtelemetry.LevelNone {
				return upstream.CreateMeterProvider(ctx, set, cfg)
			}
			return newMeterProvider(ctx, registry, set, metrics)
		}),
	)
}

// queueViews correct what upstream says of the exporters' queues, whose unit is that
// of the sizer and which hold what is sent for the first time too.
func queueViews() []otelconf.View {
	const unit = ", in the unit of sending_queue::sizer, which is bytes in Modtap's own configurations."
	var views []otelconf.View
	for name, description := range map[string]string{
		"otelcol_exporter_queue_size":     "What waits in an exporter's queue" + unit,
		"otelcol_exporter_queue_capacity": "What an exporter's queue has room for" + unit,
	} {
		views = append(views, otelconf.View{
			Selector: &otelconf.ViewSelector{InstrumentName: &name}, Stream: &otelconf.ViewStream{Description: &description},
		})
	}
	return views
}

func newMeterProvider(
	ctx context.Context,
	registry *prometheus.Registry,
	set telemetry.MeterSettings,
	cfg otelconftelemetry.MetricsConfig,
) (telemetry.MeterProvider, error) {
	// Counters keep their suffix: OpenMetrics adds it anyway, and one metric must have one name
	// in both formats. The instance id is new at each start, so it is kept off the series.
	reader, err := otelprom.New(
		otelprom.WithRegisterer(registry),
		otelprom.WithoutScopeInfo(),
		otelprom.WithoutTargetInfo(),
		otelprom.WithResourceAsConstantLabels(attribute.NewAllowKeysFilter(semconv.ServiceNameKey)),
	)
	if err != nil {
		return nil, err
	}
	provider := cfg.MeterProvider
	provider.Readers = slices.DeleteFunc(slices.Clone(provider.Readers), func(r otelconf.MetricReader) bool {
		return r.Pull == nil && r.Periodic == nil
	})
	if provider.Views == nil && set.DefaultViews != nil {
		// Upstream's views drop what has a label per peer: otelhttp's and otelgrpc's metrics.
		provider.Views = append(set.DefaultViews(cfg.Level), queueViews()...)
	}
	resource := &otelconf.Resource{}
	for key, value := range set.Resource.Attributes().All() {
		resource.Attributes = append(resource.Attributes, otelconf.AttributeNameValue{Name: key, Value: value.AsRaw()})
	}
	sdk, err := otelconf.NewSDK(
		otelconf.WithContext(ctx),
		otelconf.WithMeterProviderOptions(sdkmetric.WithReader(reader)),
		otelconf.WithOpenTelemetryConfiguration(otelconf.OpenTelemetryConfiguration{
			Resource:      resource,
			MeterProvider: &provider,
		}),
	)
	if err != nil {
		return nil, err
	}
	meters, ok := sdk.MeterProvider().(telemetry.MeterProvider)
	if !ok {
		return nil, errors.New("meter provider without a shutdown")
	}
	return meters, nil
}
