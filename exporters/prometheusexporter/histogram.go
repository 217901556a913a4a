// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The schemas that Prometheus knows; they are OpenTelemetry's scales.
const (
	minSchema = -4
	maxSchema = 8
)

// maxSpanGap is how many empty buckets are cheaper than a new span.
const maxSpanGap = 2

// combine makes one histogram out of both parts. They are of one mind when they
// come from one batch; if not, the later one alone is shown, for a histogram
// whose buckets contradict each other is refused by Prometheus.
func combine(classic, exponential part) *dto.Metric {
	c, e := classic.metric.GetHistogram(), exponential.metric.GetHistogram()
	if c.GetSampleCount() != e.GetSampleCount() {
		if exponential.at > classic.at {
			return exponential.metric
		}
		return classic.metric
	}
	return &dto.Metric{Label: classic.metric.GetLabel(), Histogram: &dto.Histogram{
		SampleCount:      c.SampleCount,
		SampleSum:        c.SampleSum,
		CreatedTimestamp: c.GetCreatedTimestamp(),
		Bucket:           c.GetBucket(),

		Schema:        e.Schema,
		ZeroThreshold: e.ZeroThreshold,
		ZeroCount:     e.ZeroCount,
		PositiveSpan:  e.GetPositiveSpan(),
		PositiveDelta: e.GetPositiveDelta(),
		NegativeSpan:  e.GetNegativeSpan(),
		NegativeDelta: e.GetNegativeDelta(),
		Exemplars:     e.GetExemplars(),
	}}
}

// classicHistogram has the buckets of p. Their counts add up to that of p, else
// it is an error.
func classicHistogram(p pmetric.HistogramDataPoint) (*dto.Histogram, error) {
	bounds, counts := p.ExplicitBounds().AsRaw(), p.BucketCounts()
	if counts.Len() != len(bounds)+1 && (counts.Len() > 0 || len(bounds) > 0) {
		return nil, fmt.Errorf("histogram of %d buckets with %d bounds", counts.Len(), len(bounds))
	}
	if len(bounds) > 0 && math.IsInf(bounds[len(bounds)-1], +1) {
		bounds = bounds[:len(bounds)-1] // Every histogram has this one.
	}
	buckets := make([]*dto.Bucket, len(bounds), len(bounds)+1)
	values, cumulative := make([]dto.Bucket, len(bounds)), make([]uint64, len(bounds))
	total := uint64(0)
	for i, bound := range bounds {
		if math.IsNaN(bound) || i > 0 && bound <= bounds[i-1] {
			return nil, errors.New("histogram whose bounds don't rise")
		}
		total += counts.At(i)
		cumulative[i] = total
		buckets[i] = &values[i]
		buckets[i].CumulativeCount, buckets[i].UpperBound = &cumulative[i], &bounds[i]
	}
	for i := len(bounds); i < counts.Len(); i++ {
		total += counts.At(i)
	}
	if counts.Len() > 0 && total != p.Count() {
		return nil, fmt.Errorf("histogram of %d observations with %d in its buckets", p.Count(), total)
	}
	for _, exemplar := range exemplars(p.Exemplars()) {
		i := sort.SearchFloat64s(bounds, exemplar.GetValue())
		if i == len(buckets) { // Above all bounds: the bucket is there only for its exemplar.
			buckets = append(buckets, &dto.Bucket{CumulativeCount: new(p.Count()), UpperBound: new(math.Inf(+1))})
		}
		buckets[i].Exemplar = exemplar // They are in the order of time: the last one stays.
	}
	return &dto.Histogram{
		SampleCount:      new(p.Count()),
		SampleSum:        new(p.Sum()),
		CreatedTimestamp: timestamp(p.StartTimestamp()),
		Bucket:           buckets,
	}, nil
}

// nativeHistogram has the buckets of p, merged where they are finer than
// Prometheus has them. Their counts add up to that of p, else it is an error.
func nativeHistogram(p pmetric.ExponentialHistogramDataPoint) (*dto.Histogram, error) {
	if p.Scale() < minSchema {
		return nil, fmt.Errorf("exponential histogram of scale %d, Prometheus has %d to %d", p.Scale(), minSchema, maxSchema)
	}
	shift := max(0, p.Scale()-maxSchema)
	positive, positiveDeltas, above, err := spans(p.Positive(), shift)
	if err != nil {
		return nil, err
	}
	negative, negativeDeltas, below, err := spans(p.Negative(), shift)
	if err != nil {
		return nil, err
	}
	if total := above + below + p.ZeroCount(); total != p.Count() {
		return nil, fmt.Errorf("exponential histogram of %d observations with %d in its buckets", p.Count(), total)
	}
	if len(positive) == 0 && len(negative) == 0 && p.ZeroCount() == 0 && p.ZeroThreshold() == 0 {
		// Without a span it would look like a classic histogram.
		positive = []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(0))}}
	}
	timed := slices.DeleteFunc(exemplars(p.Exemplars()), func(e *dto.Exemplar) bool { return e.GetTimestamp() == nil })
	return &dto.Histogram{
		SampleCount:      new(p.Count()),
		SampleSum:        new(p.Sum()),
		CreatedTimestamp: timestamp(p.StartTimestamp()),
		Schema:           new(p.Scale() - shift),
		ZeroThreshold:    new(p.ZeroThreshold()),
		ZeroCount:        new(p.ZeroCount()),
		PositiveSpan:     positive,
		PositiveDelta:    positiveDeltas,
		NegativeSpan:     negative,
		NegativeDelta:    negativeDeltas,
		Exemplars:        timed,
	}, nil
}

// spans encodes buckets: runs of neighbours, each count told by its difference
// from the one before. OpenTelemetry numbers a bucket by its lower bound and
// Prometheus by its upper one, hence the 1 between them.
func spans(b pmetric.ExponentialHistogramDataPointBuckets, shift int32) (spans []*dto.BucketSpan, deltas []int64, total uint64, err error) {
	counts, offset := b.BucketCounts(), int64(b.Offset())
	if last := offset + int64(counts.Len()); last >= math.MaxInt32 || offset < math.MinInt32/2 {
		return nil, nil, 0, fmt.Errorf("exponential histogram with buckets from %d to %d", offset, last)
	}
	next, previous := int64(0), int64(0)
	add := func(count int64) {
		*spans[len(spans)-1].Length++
		deltas = append(deltas, count-previous)
		previous = count
	}
	for i := 0; i < counts.Len(); {
		index, count := (offset+int64(i))>>shift, uint64(0)
		for ; i < counts.Len() && (offset+int64(i))>>shift == index; i++ {
			count += counts.At(i)
		}
		if count == 0 {
			continue
		}
		total += count
		gap := index + 1 - next
		if len(spans) == 0 || gap > maxSpanGap {
			spans = append(spans, &dto.BucketSpan{Offset: new(int32(gap)), Length: new(uint32(0))})
		} else {
			for range gap {
				add(0)
			}
		}
		add(int64(count))
		next = index + 2
	}
	return spans, deltas, total, nil
}

// exemplars are those of a point in the order of time. Only the ids are kept:
// OpenMetrics allows 128 characters, and the ids lead to all the rest.
func exemplars(from pmetric.ExemplarSlice) []*dto.Exemplar {
	if from.Len() == 0 {
		return nil
	}
	list := make([]*dto.Exemplar, 0, from.Len())
	for _, one := range from.All() {
		value := one.DoubleValue()
		if one.ValueType() == pmetric.ExemplarValueTypeInt {
			value = float64(one.IntValue())
		}
		if math.IsNaN(value) {
			continue
		}
		e := &dto.Exemplar{Value: new(value), Timestamp: timestamp(one.Timestamp())}
		if id := one.TraceID(); !id.IsEmpty() {
			e.Label = append(e.Label, &dto.LabelPair{Name: new(otlptranslator.ExemplarTraceIDKey), Value: new(id.String())})
		}
		if id := one.SpanID(); !id.IsEmpty() {
			e.Label = append(e.Label, &dto.LabelPair{Name: new(otlptranslator.ExemplarSpanIDKey), Value: new(id.String())})
		}
		list = append(list, e)
	}
	slices.SortStableFunc(list, func(a, b *dto.Exemplar) int {
		return a.GetTimestamp().AsTime().Compare(b.GetTimestamp().AsTime())
	})
	return list
}

// timestamp is nil if the time is unknown.
func timestamp(at pcommon.Timestamp) *timestamppb.Timestamp {
	if at == 0 {
		return nil
	}
	return timestamppb.New(at.AsTime())
}
