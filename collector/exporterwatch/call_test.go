// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/modtap/modtap/internal/handover"
)

// backend takes records or refuses them, at random, and knows what arrived.
type backend struct {
	mu      sync.Mutex
	chance  *rand.Rand
	open    chan struct{} // closed: it answers
	arrived map[string]bool
}

func (b *backend) take(_ context.Context, ld plog.Logs) error {
	<-b.open
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.chance.IntN(5) {
	case 0, 1:
		return errors.New("no space left on device")
	case 2:
		return consumererror.NewPermanent(errors.New("400"))
	}
	for _, r := range ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		b.arrived[r.Body().Str()] = true
	}
	return nil
}

// kinds are how an exporter may be built with the helper.
var kinds = map[string][]exporterhelper.Option{
	"neither queue nor retry": nil,
	"queue": {exporterhelper.WithQueue(configoptional.Some(exporterhelper.QueueBatchConfig{
		Sizer: exporterhelper.RequestSizerTypeRequests, QueueSize: 3, NumConsumers: 2,
	}))},
	"queue whose answer is waited for": {exporterhelper.WithQueue(configoptional.Some(exporterhelper.QueueBatchConfig{
		Sizer: exporterhelper.RequestSizerTypeRequests, QueueSize: 3, NumConsumers: 1, WaitForResult: true,
	}))},
}

// TestOnlyWhatIsGoneIsADrop: exporters of each kind, handed the same batches again and again until each has taken them or the
// caller gives up, as the engine does. Each exporter's drops are what is missing at its backend.
func TestOnlyWhatIsGoneIsADrop(t *testing.T) {
	for seed := range uint64(20) {
		for kind, options := range kinds {
			t.Run(fmt.Sprintf("%s, seed %d", kind, seed), func(t *testing.T) {
				chance := rand.New(rand.NewPCG(seed, 1))
				type one struct {
					*backend
					exporter.Logs
					reader sdkmetric.Reader
				}
				var all []one
				for i := range 2 { // one fails while the other takes it
					b := &backend{chance: rand.New(rand.NewPCG(seed, uint64(i+2))), open: make(chan struct{}), arrived: make(map[string]bool)}
					reader := sdkmetric.NewManualReader()
					all = append(all, one{b, startKind(t, b, reader, options), reader})
					close(b.open)
				}
				sent := 0
				for n := range 60 {
					ld := plog.NewLogs()
					records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
					for i := range 1 + chance.IntN(4) {
						records.AppendEmpty().Body().SetStr(fmt.Sprint(n, ".", i))
						sent++
					}
					ctx, batch := handover.NewContext(t.Context())
					var err error
					for range 1 + chance.IntN(4) {
						batch.Begin()
						err = errors.Join(all[0].ConsumeLogs(ctx, copied(ld)), all[1].ConsumeLogs(ctx, copied(ld)))
						if err == nil || kind == "queue" { // the engine doesn't repeat for a full queue alone
							break
						}
					}
					if err != nil {
						batch.GiveUp()
					}
				}
				for _, e := range all {
					require.NoError(t, e.Shutdown(context.Background()))
					dropped, failed := sums(t, e.reader)
					assert.Equal(t, sent-len(e.arrived), int(dropped), "dropped items are what is missing")
					if kind == "neither queue nor retry" {
						assert.Equal(t, dropped, failed, "and so are those that upstream counts")
					}
				}
			})
		}
	}
}

func copied(ld plog.Logs) plog.Logs {
	to := plog.NewLogs()
	ld.CopyTo(to)
	return to
}

func startKind(t *testing.T, b *backend, reader sdkmetric.Reader, options []exporterhelper.Option) exporter.Logs {
	t.Helper()
	of := exporter.NewFactory(testType, func() component.Config { return &nothing{} },
		exporter.WithLogs(func(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
			return exporterhelper.NewLogs(ctx, set, cfg, b.take, append([]exporterhelper.Option{
				exporterhelper.WithRetry(configretry.BackOffConfig{}), exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{}),
			}, options...)...)
		}, component.StabilityLevelAlpha))
	set := exportertest.NewNopSettings(testType)
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	e, err := Factory(of).CreateLogs(t.Context(), set, &nothing{})
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), &host{}))
	return e
}

// sums are dropped items of all reasons, and upstream's count of failed ones.
func sums(t *testing.T, reader sdkmetric.Reader) (dropped, failed int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			data, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, p := range data.DataPoints {
				switch m.Name {
				case "otelcol_exporter_dropped_items":
					dropped += p.Value
				case "otelcol_exporter_send_failed_log_records":
					failed += p.Value
				}
			}
		}
	}
	return dropped, failed
}
