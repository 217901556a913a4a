// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"sort"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/exchange"
)

// maxSeries bounds the series of one metric; what comes after is counted
// under [attrOverflow], as the OpenTelemetry SDK does
// (https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute).
const maxSeries = 2000

const attrOverflow = "otel.metric.overflow"

// typeOf is the type of each attribute.
var typeOf = func() map[string]Type {
	types := make(map[string]Type, len(table))
	for i := range table {
		types[table[i].Name] = table[i].Type
	}
	return types
}()

// family holds the series of one metric.
type family[P any] struct {
	metric Metric
	series map[string]*series[P]
	key    []byte
}

// series is one combination of attribute values.
type series[P any] struct {
	values []string // parallel to the metric's attributes; empty: absent
	point  P
}

func newFamily[P any](m Metric) *family[P] {
	return &family[P]{metric: m, series: make(map[string]*series[P])}
}

// at returns the point of the series with these values, one for each attribute.
func (f *family[P]) at(values ...string) *P {
	if values == nil {
		values = []string{} // a metric without attributes, not the overflow
	}
	f.key = f.key[:0]
	for _, v := range values {
		f.key = append(f.key, v...)
		f.key = append(f.key, 0)
	}
	s := f.series[string(f.key)]
	if s == nil {
		key := string(f.key)
		if len(f.series) >= maxSeries {
			key, values = attrOverflow, nil
			if s = f.series[key]; s != nil {
				return &s.point
			}
		}
		s = &series[P]{values: values}
		f.series[key] = s
	}
	return &s.point
}

// sorted returns the series in a fixed order.
func (f *family[P]) sorted() []*series[P] {
	keys := make([]string, 0, len(f.series))
	for k := range f.series {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := make([]*series[P], len(keys))
	for i, k := range keys {
		out[i] = f.series[k]
	}
	return out
}

func (f *family[P]) attributes(s *series[P], to pcommon.Map) {
	if s.values == nil {
		to.PutBool(attrOverflow, true)
		return
	}
	for i, v := range s.values {
		if v == "" {
			continue
		}
		switch name := f.metric.Attributes[i]; typeOf[name] {
		case Int:
			n, _ := strconv.ParseInt(v, 10, 64)
			to.PutInt(name, n)
		case Bool:
			to.PutBool(name, v == "true")
		default:
			to.PutStr(name, v)
		}
	}
}

func (f *family[P]) describe(to pmetric.MetricSlice) pmetric.Metric {
	m := to.AppendEmpty()
	m.SetName(f.metric.Name)
	m.SetUnit(f.metric.Unit)
	m.SetDescription(f.metric.Description)
	return m
}

// histogram is a point with classic and exponential buckets.
type histogram struct {
	Count     uint64
	Sum       float64
	Min, Max  float64
	Buckets   []uint64
	Exp       exponential
	Exemplars []exemplar // the last one of each classic bucket
}

type exemplar struct {
	Value float64
	At    exchange.Time
	Span  exchange.Span
}

func (h *histogram) add(boundaries []float64, e exemplar) {
	if h.Buckets == nil {
		h.Buckets = make([]uint64, len(boundaries)+1)
		h.Exemplars = make([]exemplar, len(boundaries)+1)
		h.Min, h.Max = e.Value, e.Value
	}
	h.Count++
	h.Sum += e.Value
	h.Min, h.Max = min(h.Min, e.Value), max(h.Max, e.Value)
	i := sort.SearchFloat64s(boundaries, e.Value) // upper bounds are inclusive
	h.Buckets[i]++
	h.Exemplars[i] = e
	h.Exp.add(e.Value)
}

func (h *histogram) putExemplars(to pmetric.ExemplarSlice) {
	for i := range h.Exemplars {
		e := &h.Exemplars[i]
		if e.At == 0 {
			continue
		}
		x := to.AppendEmpty()
		x.SetTimestamp(timestamp(e.At))
		x.SetDoubleValue(e.Value)
		x.SetTraceID(pcommon.TraceID(e.Span.TraceID))
		x.SetSpanID(pcommon.SpanID(e.Span.SpanID))
	}
}

// histogramPoint is what points of both kinds of histograms have alike.
type histogramPoint interface {
	Attributes() pcommon.Map
	SetStartTimestamp(pcommon.Timestamp)
	SetTimestamp(pcommon.Timestamp)
	SetCount(uint64)
	SetSum(float64)
	SetMin(float64)
	SetMax(float64)
	Exemplars() pmetric.ExemplarSlice
}

// putHistogram fills what isn't buckets.
func putHistogram(f *family[histogram], s *series[histogram], start, now pcommon.Timestamp, to histogramPoint) {
	h := &s.point
	f.attributes(s, to.Attributes())
	to.SetStartTimestamp(start)
	to.SetTimestamp(now)
	to.SetCount(h.Count)
	to.SetSum(h.Sum)
	to.SetMin(h.Min)
	to.SetMax(h.Max)
	h.putExemplars(to.Exemplars())
}

// classic appends the family as a histogram with explicit buckets.
func classic(f *family[histogram], start, now pcommon.Timestamp, to pmetric.MetricSlice) {
	if len(f.series) == 0 {
		return
	}
	data := f.describe(to).SetEmptyHistogram()
	data.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for _, s := range f.sorted() {
		p := data.DataPoints().AppendEmpty()
		putHistogram(f, s, start, now, p)
		p.ExplicitBounds().FromRaw(f.metric.Boundaries)
		p.BucketCounts().FromRaw(s.point.Buckets)
	}
}

// native appends the family as an exponential histogram.
func native(f *family[histogram], start, now pcommon.Timestamp, to pmetric.MetricSlice) {
	if len(f.series) == 0 {
		return
	}
	data := f.describe(to).SetEmptyExponentialHistogram()
	data.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for _, s := range f.sorted() {
		p := data.DataPoints().AppendEmpty()
		putHistogram(f, s, start, now, p)
		exp := &s.point.Exp
		p.SetScale(exp.Scale)
		p.SetZeroCount(exp.Zero)
		p.Positive().SetOffset(exp.Offset)
		p.Positive().BucketCounts().FromRaw(exp.Counts)
	}
}

// sum appends the family as a sum, or as a gauge if that is its kind.
func sum(f *family[int64], start, now pcommon.Timestamp, to pmetric.MetricSlice) {
	if len(f.series) == 0 {
		return
	}
	m := f.describe(to)
	var points pmetric.NumberDataPointSlice
	if f.metric.Kind == Gauge {
		points = m.SetEmptyGauge().DataPoints()
	} else {
		data := m.SetEmptySum()
		data.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		data.SetIsMonotonic(f.metric.Kind == Counter)
		points = data.DataPoints()
	}
	for _, s := range f.sorted() {
		p := points.AppendEmpty()
		f.attributes(s, p.Attributes())
		p.SetStartTimestamp(start)
		p.SetTimestamp(now)
		p.SetIntValue(s.point)
	}
}
