// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"math"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

func putExemplar(to pmetric.ExemplarSlice, value float64, seconds int64, id byte) {
	e := to.AppendEmpty()
	e.SetDoubleValue(value)
	e.SetTraceID(pcommon.TraceID{15: id})
	e.SetSpanID(pcommon.SpanID{7: id})
	if seconds != 0 {
		e.SetTimestamp(pcommon.NewTimestampFromTime(time.Unix(seconds, 0)))
	}
}

func traceIDs(list ...*dto.Exemplar) []string {
	var ids []string
	for _, e := range list {
		if e != nil {
			ids = append(ids, e.GetLabel()[0].GetValue()[31:])
		}
	}
	return ids
}

func TestClassicAndExponentialMeetInOneHistogram(t *testing.T) {
	in := newInput(proxy)
	classic := in.histogram("http.server.request.duration", []uint64{1, 2, 3}, 10, "a", "b")
	classic.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Unix(1000, 0)))
	putExemplar(classic.Exemplars(), 0.1, 1002, 1) // At a bound: it belongs below.
	putExemplar(classic.Exemplars(), 0.05, 1001, 2)
	putExemplar(classic.Exemplars(), 5, 1003, 3)
	in.nextScope()
	exponential := in.exponential("http.server.request.duration", 3, -2, []uint64{1, 2, 0, 0, 0, 2}, 10, "a", "b")
	exponential.SetZeroCount(1)
	exponential.SetZeroThreshold(0.001)
	exponential.SetCount(6)
	putExemplar(exponential.Exemplars(), 5, 1003, 5)
	putExemplar(exponential.Exemplars(), 1, 1002, 4)
	putExemplar(exponential.Exemplars(), 1, 0, 6) // Prometheus wants a time.

	e := running(t)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	family := e.families(t)["http_server_request_duration_seconds"]
	require.Len(t, family.GetMetric(), 1)
	h := family.GetMetric()[0].GetHistogram()
	assert.Equal(t, uint64(6), h.GetSampleCount())
	assert.InDelta(t, 3.0, h.GetSampleSum(), 0)
	assert.Equal(t, int64(1000), h.GetCreatedTimestamp().GetSeconds())

	require.Len(t, h.GetBucket(), 3)
	assert.Equal(t, []string{"1"}, traceIDs(h.GetBucket()[0].GetExemplar()), "the later of two")
	assert.Nil(t, h.GetBucket()[1].GetExemplar())
	assert.Equal(t, []string{"3"}, traceIDs(h.GetBucket()[2].GetExemplar()))
	assert.InDelta(t, math.Inf(+1), h.GetBucket()[2].GetUpperBound(), 0)
	assert.Equal(t, uint64(6), h.GetBucket()[2].GetCumulativeCount())

	assert.Equal(t, int32(3), h.GetSchema())
	assert.Equal(t, uint64(1), h.GetZeroCount())
	assert.InDelta(t, 0.001, h.GetZeroThreshold(), 0)
	// Prometheus numbers a bucket by its upper bound: -2 becomes -1.
	require.Len(t, h.GetPositiveSpan(), 2)
	assert.Equal(t, int32(-1), h.GetPositiveSpan()[0].GetOffset())
	assert.Equal(t, uint32(2), h.GetPositiveSpan()[0].GetLength())
	assert.Equal(t, int32(3), h.GetPositiveSpan()[1].GetOffset())
	assert.Equal(t, uint32(1), h.GetPositiveSpan()[1].GetLength())
	assert.Equal(t, []int64{1, 1, 0}, h.GetPositiveDelta())
	assert.Equal(t, []string{"4", "5"}, traceIDs(h.GetExemplars()...))

	assert.Contains(t, string(e.scrape(t, openMetrics)),
		`http_server_request_duration_seconds_bucket{a="b",instance="i1",job="goproxy",le="0.1"} 1 # {trace_id="00000000000000000000000000000001",span_id="0000000000000001"} 0.1 1002.0`)
}

func TestPartsThatDisagreeAreNotMixed(t *testing.T) {
	e := running(t)
	shown := func() *dto.Histogram {
		return e.families(t)["h_seconds"].GetMetric()[0].GetHistogram()
	}
	in := newInput(nil)
	in.histogram("h", []uint64{1, 0, 0}, 10)
	in.exponential("h", 0, 0, []uint64{1}, 10)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	assert.Len(t, shown().GetBucket(), 2)
	assert.Len(t, shown().GetPositiveSpan(), 1)

	in = newInput(nil)
	in.exponential("h", 0, 0, []uint64{3}, 11)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	assert.Equal(t, uint64(3), shown().GetSampleCount(), "the later one")
	assert.Empty(t, shown().GetBucket())

	in = newInput(nil)
	in.histogram("h", []uint64{2, 0, 0}, 11)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	assert.Equal(t, uint64(2), shown().GetSampleCount(), "of one time: the classic one")
	assert.Nil(t, shown().Schema)

	in = newInput(nil)
	in.histogram("h", []uint64{3, 0, 0}, 12)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	assert.Len(t, shown().GetBucket(), 2)
	assert.Len(t, shown().GetPositiveSpan(), 1)
}

func TestFineScalesAreMerged(t *testing.T) {
	for name, tt := range map[string]struct {
		scale, offset int32
		counts        []uint64
		schema        int32
		first         int32
		want          []int64 // Absolute, from the first on.
	}{
		"as it is":          {8, 5, []uint64{1, 2, 3}, 8, 6, []int64{1, 2, 3}},
		"one finer":         {9, 4, []uint64{1, 2, 3, 4}, 8, 3, []int64{3, 7}},
		"one finer, odd":    {9, 5, []uint64{1, 2, 3, 4}, 8, 3, []int64{1, 5, 4}},
		"below one":         {10, -5, []uint64{1, 1, 1, 1, 1, 1}, 8, -1, []int64{1, 4, 1}},
		"finest":            {20, 0, ones(4096), 8, 1, []int64{4096}},
		"coarsest":          {-4, 0, []uint64{7}, -4, 1, []int64{7}},
		"short gap":         {0, 0, []uint64{1, 0, 0, 4}, 0, 1, []int64{1, 0, 0, 4}},
		"empty at the ends": {0, 0, []uint64{0, 0, 0, 4, 0}, 0, 4, []int64{4}},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInput(nil)
			p := in.exponential("h", tt.scale, tt.offset, tt.counts, 1)
			p.Positive().CopyTo(p.Negative())
			p.SetCount(2 * p.Count())
			h, err := nativeHistogram(p)
			require.NoError(t, err)
			assert.Equal(t, tt.schema, h.GetSchema())
			require.Len(t, h.GetPositiveSpan(), 1)
			assert.Equal(t, tt.first, h.GetPositiveSpan()[0].GetOffset())
			absolute, last := []int64{}, int64(0)
			for _, delta := range h.GetPositiveDelta() {
				last += delta
				absolute = append(absolute, last)
			}
			assert.Equal(t, tt.want, absolute)
			assert.Equal(t, h.GetPositiveDelta(), h.GetNegativeDelta())
		})
	}
}

func ones(n int) []uint64 {
	counts := make([]uint64, n)
	for i := range counts {
		counts[i] = 1
	}
	return counts
}

func TestAnEmptyExponentialHistogramIsStillNative(t *testing.T) {
	in := newInput(nil)
	h, err := nativeHistogram(in.exponential("h", 20, 0, nil, 1))
	require.NoError(t, err)
	require.Len(t, h.GetPositiveSpan(), 1)
	assert.Zero(t, h.GetPositiveSpan()[0].GetLength())
	assert.Equal(t, int32(8), h.GetSchema())
}

func TestAnExplicitLastBoundOfInfinity(t *testing.T) {
	in := newInput(nil)
	p := in.histogram("h", []uint64{1, 2, 0}, 1)
	p.ExplicitBounds().FromRaw([]float64{1, math.Inf(+1)})
	h, err := classicHistogram(p)
	require.NoError(t, err)
	require.Len(t, h.GetBucket(), 1)
	assert.Equal(t, uint64(1), h.GetBucket()[0].GetCumulativeCount())
	assert.Equal(t, uint64(3), h.GetSampleCount())
}

func TestAHistogramWithoutBuckets(t *testing.T) {
	in := newInput(nil)
	p := in.histogram("h", nil, 1)
	p.ExplicitBounds().FromRaw(nil)
	p.SetCount(4)
	h, err := classicHistogram(p)
	require.NoError(t, err)
	assert.Empty(t, h.GetBucket())
	assert.Equal(t, uint64(4), h.GetSampleCount())
}
