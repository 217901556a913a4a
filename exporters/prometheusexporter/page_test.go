// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// TestNegotiation asks as the scrapers do.
func TestNegotiation(t *testing.T) {
	e := running(t)
	in := newInput(nil)
	in.counter("c", 1, 1)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	const protobufFirst = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6," +
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
	for name, tt := range map[string]struct{ accept, want string }{
		"Prometheus 3 with native histograms": {protobufFirst, "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores"},
		"Prometheus 3":                        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.1", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"},
		"Prometheus 2.42":                     {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"},
		"curl":                                {"*/*", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
		"something else":                      {"application/json", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/metrics", e.server.addr()), nil)
			require.NoError(t, err)
			request.Header.Set("Accept", tt.accept)
			request.Header.Set("Accept-Encoding", "gzip")
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			response, err := client.Do(request)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, tt.want, response.Header.Get("Content-Type"))
			assert.Equal(t, "gzip", response.Header.Get("Content-Encoding"))
		})
	}
}

// TestNoSeriesGoesBack shows the snapshots of two runs in any order, as replays
// after crashes may bring them.
func TestNoSeriesGoesBack(t *testing.T) {
	type snapshot struct {
		start, at time.Duration
		count     uint64
	}
	snapshots := []snapshot{{1, 2, 1}, {1, 3, 5}, {1, 4, 4}, {1, 5, 9}, {10, 11, 1}, {10, 12, 7}, {10, 13, 6}, {1, 14, 99}}
	for range 100 {
		rand.Shuffle(len(snapshots), func(i, j int) { snapshots[i], snapshots[j] = snapshots[j], snapshots[i] })
		s := newStore(0)
		var start int64
		var count uint64
		for _, one := range snapshots {
			in := newInput(proxy)
			times := func(p point) {
				p.(interface{ SetStartTimestamp(pcommon.Timestamp) }).SetStartTimestamp(pcommon.NewTimestampFromTime(time.Unix(int64(one.start), 0)))
				p.(interface{ SetTimestamp(pcommon.Timestamp) }).SetTimestamp(pcommon.NewTimestampFromTime(time.Unix(int64(one.at), 0)))
			}
			times(in.counter("c", int64(one.count), 0))
			times(in.histogram("h", []uint64{one.count, 0, 0}, 0))
			times(in.exponential("h", 3, 0, []uint64{one.count}, 0))
			require.NoError(t, s.update(in.Metrics))
			families, err := gatherers{s}.Gather()
			require.NoError(t, err)
			c, h := families[0].GetMetric()[0].GetCounter(), families[1].GetMetric()[0].GetHistogram()
			require.Equal(t, "c_total", families[0].GetName())
			assert.GreaterOrEqual(t, c.GetCreatedTimestamp().GetSeconds(), start)
			if c.GetCreatedTimestamp().GetSeconds() == start {
				assert.GreaterOrEqual(t, uint64(c.GetValue()), count)
			}
			start, count = c.GetCreatedTimestamp().GetSeconds(), uint64(c.GetValue())
			assert.Equal(t, count, h.GetSampleCount(), "all of a snapshot is of one mind")
			assert.Equal(t, start, h.GetCreatedTimestamp().GetSeconds())
			assert.Len(t, h.GetBucket(), 2)
			assert.NotNil(t, h.Schema)
		}
		assert.Equal(t, int64(10), start, "the later run")
	}
}

// FuzzPage: whatever comes as OTLP, the page holds together as client_golang and
// the text format want it.
func FuzzPage(f *testing.F) {
	in := newInput(proxy)
	in.counter("c", 1, 1, "a", "b", "a.", "c", "job", "x", "le", "y")
	in.histogram("h", []uint64{1, 2, 3}, 1, "le", "x")
	in.exponential("h", 3, -2, []uint64{1, 2, 3}, 1, "le", "x")
	in.metric("", "\xff").SetEmptyGauge().DataPoints().AppendEmpty().SetDoubleValue(1)
	in.metric("target.info", "").SetEmptyGauge().DataPoints().AppendEmpty().SetDoubleValue(1)
	seed, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(in.Metrics)
	require.NoError(f, err)
	f.Add(seed)
	f.Fuzz(func(t *testing.T, otlp []byte) {
		metrics, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(otlp)
		if err != nil {
			t.Skip()
		}
		s := newStore(0)
		_ = s.update(metrics) // What can't be shown is refused.
		families, err := prometheus.Gatherers{s}.Gather()
		require.NoError(t, err)
		var page bytes.Buffer
		for _, family := range families {
			_, err := expfmt.MetricFamilyToText(&page, family)
			require.NoError(t, err)
			_, err = expfmt.MetricFamilyToOpenMetrics(&bytes.Buffer{}, family)
			require.NoError(t, err)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		_, err = parser.TextToMetricFamilies(&page)
		require.NoError(t, err)
	})
}
