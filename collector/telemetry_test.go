// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelconf "go.opentelemetry.io/contrib/otelconf/v0.3.0"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configtelemetry"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

func startMeters(t *testing.T, registry *prometheus.Registry, change func(*otelconftelemetry.Config)) telemetry.MeterProvider {
	t.Helper()
	factory := newTelemetryFactory(registry)
	cfg := factory.CreateDefaultConfig().(*otelconftelemetry.Config)
	change(cfg)
	require.NoError(t, confmap.Validate(cfg))
	set := telemetry.Settings{BuildInfo: component.BuildInfo{Command: "modtap", Version: "1.2.3"}}
	resource, err := factory.CreateResource(t.Context(), set, cfg)
	require.NoError(t, err)
	set.Resource = &resource
	meters, err := factory.CreateMeterProvider(t.Context(), telemetry.MeterSettings{
		Settings: set,
		Logger:   zap.NewNop(),
		DefaultViews: func(configtelemetry.Level) []otelconf.View {
			name, drop := "noisy", otelconf.ViewStreamAggregation{Drop: otelconf.ViewStreamAggregationDrop{}}
			return []otelconf.View{{Selector: &otelconf.ViewSelector{MeterName: &name}, Stream: &otelconf.ViewStream{Aggregation: &drop}}}
		},
	}, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, meters.Shutdown(t.Context())) })
	return meters
}

func count(t *testing.T, meters telemetry.MeterProvider, meter string) {
	t.Helper()
	counter, err := meters.Meter(meter).Int64Counter("otelcol_things")
	require.NoError(t, err)
	counter.Add(t.Context(), 3)
}

func gather(t *testing.T, registry *prometheus.Registry) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	byName := make(map[string]*dto.MetricFamily)
	for _, family := range families {
		byName[family.GetName()] = family
	}
	return byName
}

func TestTelemetryReadsIntoTheRegistry(t *testing.T) {
	registry := newRegistry()
	meters := startMeters(t, registry, func(*otelconftelemetry.Config) {})
	count(t, meters, "quiet")
	count(t, meters, "noisy")

	families := gather(t, registry)
	require.Contains(t, families, "otelcol_things_total")
	metrics := families["otelcol_things_total"].GetMetric()
	require.Len(t, metrics, 1, "the view drops what the other meter counted")
	assert.InDelta(t, 3, metrics[0].GetCounter().GetValue(), 0)
	require.Len(t, metrics[0].GetLabel(), 1, "no label is new at each start")
	assert.Equal(t, "service_name", metrics[0].GetLabel()[0].GetName())
	assert.Equal(t, "modtap", metrics[0].GetLabel()[0].GetValue())
	assert.Contains(t, families, "go_goroutines")
	assert.NotContains(t, families, "target_info")
}

// TestQueuesAreDescribed: upstream says of both "in batches", whatever the sizer is.
func TestQueuesAreDescribed(t *testing.T) {
	registry := newRegistry()
	meters := startMeters(t, registry, func(*otelconftelemetry.Config) {})
	for _, name := range []string{"otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"} {
		gauge, err := meters.Meter("exporterhelper").Int64ObservableGauge(name, metric.WithDescription("(in batches)"), metric.WithUnit("{batches}"))
		require.NoError(t, err)
		registration, err := meters.Meter("exporterhelper").RegisterCallback(func(_ context.Context, o metric.Observer) error {
			o.ObserveInt64(gauge, 5)
			return nil
		}, gauge)
		require.NoError(t, err)
		defer registration.Unregister() //nolint:errcheck // the test is over
	}
	families := gather(t, registry)
	for _, name := range []string{"otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"} {
		require.Contains(t, families, name)
		assert.Contains(t, families[name].GetHelp(), "bytes in Modtap's own configurations")
		assert.InDelta(t, 5, families[name].GetMetric()[0].GetGauge().GetValue(), 0)
	}
}

func TestBuildInfo(t *testing.T) {
	family := gather(t, newRegistry())["modtap_build_info"]
	require.Len(t, family.GetMetric(), 1)
	labels := map[string]string{}
	for _, l := range family.GetMetric()[0].GetLabel() {
		labels[l.GetName()] = l.GetValue()
		assert.NotEmpty(t, l.GetValue(), "a label without a value is none")
	}
	assert.Equal(t, map[string]string{"version": currentVersion(), "revision": currentRevision(), "goversion": runtime.Version()}, labels)
	assert.InDelta(t, 1, family.GetMetric()[0].GetGauge().GetValue(), 0)
}

func TestTelemetryLevelNone(t *testing.T) {
	registry := newRegistry()
	meters := startMeters(t, registry, func(cfg *otelconftelemetry.Config) { cfg.Metrics.Level = configtelemetry.LevelNone })
	count(t, meters, "quiet")
	assert.NotContains(t, gather(t, registry), "otelcol_things_total")
}

func TestTelemetryKeepsAUsersReader(t *testing.T) {
	registry := newRegistry()
	factory := newTelemetryFactory(registry)
	cfg := factory.CreateDefaultConfig().(*otelconftelemetry.Config)
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"metrics": map[string]any{"readers": []any{map[string]any{
			"periodic": map[string]any{"exporter": map[string]any{"console": map[string]any{}}},
		}}},
	}).Unmarshal(cfg))
	require.Len(t, cfg.Metrics.Readers, 1)
	assert.NotNil(t, cfg.Metrics.Readers[0].Periodic, "a user's readers replace the empty one that stands for ours")
}
