// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/modtap/modtap/internal/exchange"
)

// TestNothingForAnHour is case 41: while nothing waits, nothing grows older.
func TestNothingForAnHour(t *testing.T) {
	for name, consumers := range map[string]Consumers{
		"case 41: told":    {Traces: new(consumertest.TracesSink), Metrics: new(consumertest.MetricsSink), Logs: new(consumertest.LogsSink)},
		"case 41: refused": {Traces: refuse[consumer.Traces](), Metrics: refuse[consumer.Metrics](), Logs: refuse[consumer.Logs]()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				telemetry := componenttest.NewTelemetry()
				defer func() { require.NoError(t, telemetry.Shutdown(t.Context())) }()
				e := newEngine(t, func(s *Settings) {
					s.Consumers, s.Telemetry, s.MetricsInterval = consumers, telemetry.NewTelemetrySettings(), time.Second
				})
				e.Start()
				defer e.Shutdown(t.Context())
				for range 3 {
					for range 5 {
						request(e, exchange.Hit)
					}
					time.Sleep(time.Hour)
					for signal, seconds := range ages(t, telemetry) {
						assert.Zero(t, seconds, "the age of %s", signal)
					}
				}
			})
		})
	}
}

var errRefused = errors.New("refused")

// refuse returns a consumer that refuses everything for good.
func refuse[C any]() C { return consumertest.NewErr(errRefused).(C) }

func ages(t *testing.T, telemetry *componenttest.Telemetry) map[string]float64 {
	t.Helper()
	of := func(name string) metricdata.Aggregation {
		m, err := telemetry.GetMetric(name)
		require.NoError(t, err)
		return m.Data
	}
	for _, p := range of("otelcol_receiver_exchange_waiting").(metricdata.Gauge[int64]).DataPoints {
		assert.Zero(t, p.Value)
	}
	out := map[string]float64{}
	for _, p := range of("otelcol_receiver_exchange_oldest_age").(metricdata.Gauge[float64]).DataPoints {
		signal, _ := p.Attributes.Value("signal")
		out[signal.AsString()] = p.Value
	}
	require.Len(t, out, 3)
	return out
}
