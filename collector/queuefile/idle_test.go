// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// TestAgeOfNothing is case 41: whatever an hour-old note says, nothing waits in a
// queue that is empty or gone.
func TestAgeOfNothing(t *testing.T) {
	id := component.MustNewIDWithName("otlp_http", "jaeger")
	hourAgo := time.Now().Add(-time.Hour)
	tests := []struct {
		name  string
		queue []byte // its metadata; nil: there is no queue file
		want  float64
	}{
		{"case 41: the file is gone", nil, 0},
		{"case 41: all was sent after the note", (&metadata{read: 7, write: 7}).marshal(), 0},
		{"one waits", (&metadata{read: 6, write: 7}).marshal(), 3600},
		{"one was under way", (&metadata{read: 7, write: 7, dispatched: []uint64{6}}).marshal(), 3600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			telemetry := componenttest.NewTelemetry()
			defer func() { require.NoError(t, telemetry.Shutdown(t.Context())) }()
			factory := Factory(&Findings{})
			cfg := factory.CreateDefaultConfig()
			require.NoError(t, confmap.NewFromStringMap(map[string]any{"directory": dir}).Unmarshal(cfg))
			set := extensiontest.NewNopSettings(factory.Type())
			set.TelemetrySettings = telemetry.NewTelemetrySettings()
			open := func() (extension.Extension, storage.Client) {
				made, err := factory.Create(t.Context(), set, cfg)
				require.NoError(t, err)
				require.NoError(t, made.Start(t.Context(), componenttest.NewNopHost()))
				client, err := made.(storage.Extension).GetClient(t.Context(), component.KindExporter, id, "traces")
				require.NoError(t, err)
				return made, client
			}
			if tt.queue != nil {
				made, client := open()
				require.NoError(t, client.Set(t.Context(), metadataKey, tt.queue))
				require.NoError(t, client.Close(t.Context()))
				require.NoError(t, made.Shutdown(t.Context()))
			}
			var old note
			old.put(6, hourAgo)
			require.NoError(t, os.WriteFile(filepath.Join(dir, fileName(id, "traces"))+noteSuffix, old.encode(), 0o600))

			made, client := open()
			age, err := telemetry.GetMetric("otelcol_exporter_queue_oldest_age")
			require.NoError(t, err)
			points := age.Data.(metricdata.Gauge[float64]).DataPoints
			assert.InDelta(t, tt.want, points[len(points)-1].Value, 5)
			require.NoError(t, client.Close(t.Context()))
			require.NoError(t, made.Shutdown(t.Context()))
		})
	}
}
