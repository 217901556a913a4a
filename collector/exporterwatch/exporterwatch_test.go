// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/pdata/plog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host keeps what the exporter reports of itself.
type host struct {
	mu     sync.Mutex
	events []*componentstatus.Event
}

func (*host) GetExtensions() map[component.ID]component.Component { return nil }

func (h *host) Report(event *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event)
}

func (h *host) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.events)
}

// now returns what was reported last.
func (h *host) now() (componentstatus.Status, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == 0 {
		return componentstatus.StatusNone, ""
	}
	last := h.events[len(h.events)-1]
	if last.Err() == nil {
		return last.Status(), ""
	}
	return last.Status(), last.Err().Error()
}

var testType = component.MustNewType("test")

type nothing struct{}

// watched starts an exporter built with the real helper around push.
func watched(t *testing.T, h *host, retry bool, push func(context.Context, plog.Logs) error) (exporter.Logs, func() map[string]float64) {
	t.Helper()
	of := exporter.NewFactory(testType, func() component.Config { return &nothing{} },
		exporter.WithLogs(func(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
			back := configretry.NewDefaultBackOffConfig()
			back.Enabled, back.MaxElapsedTime = retry, 0
			return exporterhelper.NewLogs(ctx, set, cfg, push, exporterhelper.WithRetry(back), exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{}))
		}, component.StabilityLevelAlpha))
	reader := sdkmetric.NewManualReader()
	set := exportertest.NewNopSettings(testType)
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	e, err := Factory(of).CreateLogs(t.Context(), set, &nothing{})
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), h))
	return e, func() map[string]float64 { return values(t, reader) }
}

// values returns each point by its metric and the label that tells points of it apart.
func values(t *testing.T, reader sdkmetric.Reader) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	found := make(map[string]float64)
	for _, scope := range all.ScopeMetrics {
		if scope.Scope.Name != Scope {
			continue
		}
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					reason, _ := p.Attributes.Value("reason")
					found[m.Name+" "+reason.AsString()] = float64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					outcome, _ := p.Attributes.Value("outcome")
					found[m.Name+" "+outcome.AsString()] = float64(p.Count)
				}
			}
		}
	}
	return found
}

func oneLog() plog.Logs {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	return ld
}

func TestRetriesAndRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts int
		h := &host{}
		e, metrics := watched(t, h, true, func(context.Context, plog.Logs) error {
			if attempts++; attempts <= 2 {
				return errors.New("connection refused")
			}
			return nil
		})
		done := make(chan error, 1)
		go func() { done <- e.ConsumeLogs(t.Context(), oneLog()) }()
		synctest.Wait()
		status, text := h.now()
		assert.Equal(t, componentstatus.StatusRecoverableError, status)
		assert.Equal(t, "connection refused", text)
		require.NoError(t, <-done)
		status, _ = h.now()
		assert.Equal(t, componentstatus.StatusOK, status)
		assert.Equal(t, map[string]float64{
			"otelcol_exporter_send_failed_attempts ":    2,
			"otelcol_exporter_send_duration failure":    2,
			"otelcol_exporter_send_duration success":    1,
			"otelcol_exporter_dropped_items queue_full": 0,
			"otelcol_exporter_dropped_items refused":    0,
			"otelcol_exporter_dropped_items given_up":   0,
		}, metrics())
		reports := h.count()
		require.NoError(t, e.ConsumeLogs(t.Context(), oneLog()))
		assert.Equal(t, reports, h.count(), "one that is well goes on unreported")
		require.NoError(t, e.Shutdown(t.Context()))
	})
}

func TestHangingBackendIsReportedBeforeItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, answer := &host{}, make(chan struct{})
		e, _ := watched(t, h, true, func(context.Context, plog.Logs) error { <-answer; return nil })
		done := make(chan error, 1)
		go func() { done <- e.ConsumeLogs(t.Context(), oneLog()) }()
		time.Sleep(patience - time.Second)
		status, _ := h.now()
		assert.Equal(t, componentstatus.StatusNone, status)
		time.Sleep(3 * time.Second)
		var text string
		status, text = h.now()
		assert.Equal(t, componentstatus.StatusRecoverableError, status)
		assert.Contains(t, text, "no answer for ")
		close(answer)
		require.NoError(t, <-done)
		status, _ = h.now()
		assert.Equal(t, componentstatus.StatusOK, status)
		require.NoError(t, e.Shutdown(t.Context()))
	})
}

func TestDrops(t *testing.T) {
	for _, tt := range []struct {
		name   string
		retry  bool
		err    error
		reason string
	}{
		{"refused for good", true, consumererror.NewPermanent(errors.New("400")), "refused"},
		{"tried once", false, errors.New("503"), "given_up"},
		{"no room", false, exporterhelper.ErrQueueIsFull, "queue_full"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &host{}
			e, metrics := watched(t, h, tt.retry, func(context.Context, plog.Logs) error { return tt.err })
			require.Error(t, e.ConsumeLogs(t.Context(), oneLog()))
			assert.InDelta(t, 1, metrics()["otelcol_exporter_dropped_items "+tt.reason], 0)
			assert.InDelta(t, 1, metrics()["otelcol_exporter_send_failed_attempts "], 0)
			status, _ := h.now()
			assert.Equal(t, componentstatus.StatusRecoverableError, status)
			require.NoError(t, e.Shutdown(t.Context()))
		})
	}
}

func TestStopIsNoDrop(t *testing.T) {
	h := &host{}
	e, metrics := watched(t, h, true, func(context.Context, plog.Logs) error { return errors.New("refused") })
	done := make(chan error, 1)
	go func() { done <- e.ConsumeLogs(t.Context(), oneLog()) }()
	require.Eventually(t, func() bool { return metrics()["otelcol_exporter_send_failed_attempts "] > 0 }, time.Minute, time.Millisecond)
	require.NoError(t, e.Shutdown(t.Context()))
	require.Error(t, <-done)
	assert.Zero(t, metrics()["otelcol_exporter_dropped_items given_up"], "a queue on disk keeps it")
}

func TestFactoryKeepsTheRest(t *testing.T) {
	of := otlphttpexporter.NewFactory()
	got := Factory(of)
	assert.Equal(t, of.Type(), got.Type())
	assert.Equal(t, of.(aliased).DeprecatedAlias(), got.(aliased).DeprecatedAlias(), "otlphttp still names it")
	assert.Equal(t, of.(profiled).ProfilesStability(), got.(profiled).ProfilesStability())
}
