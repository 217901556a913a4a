// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"errors"
	"fmt"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
)

var (
	errNotCumulative = errors.New("temporality is not cumulative")
	errTargetInfo    = errors.New(otlptranslator.TargetInfoMetricName + " is made of the resource")
)

// point is what all kinds of points have.
type point interface {
	Attributes() pcommon.Map
	StartTimestamp() pcommon.Timestamp
	Timestamp() pcommon.Timestamp
	Flags() pmetric.DataPointFlags
}

// update takes the points of a batch; a page shows all of them or none. What
// can't be shown is left out and is the error.
func (s *store) update(metrics pmetric.Metrics) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiration > 0 && s.now().Sub(s.swept) > s.expiration {
		s.sweep(s.now()) // If nobody scrapes.
	}
	var refused faults
	for _, inResource := range metrics.ResourceMetrics().All() {
		b := &batch{store: s, target: newTarget(inResource.Resource())}
		for _, inScope := range inResource.ScopeMetrics().All() {
			for _, metric := range inScope.Metrics().All() {
				b.metric(metric, &refused)
			}
		}
		if err := b.targetInfo(inResource.Resource()); err != nil {
			refused.add(otlptranslator.TargetInfoMetricName, err)
		}
	}
	return refused.err()
}

// batch is what comes from one resource at once.
type batch struct {
	*store
	target target
	latest pcommon.Timestamp
	taken  int
}

func (b *batch) metric(m pmetric.Metric, refused *faults) {
	kind, nameKind, err := kinds(m)
	if err != nil {
		refused.add(m.Name(), err)
		return
	}
	name, err := b.names.ofMetric(otlptranslator.Metric{Name: m.Name(), Unit: m.Unit(), Type: nameKind})
	if err != nil {
		refused.add(m.Name(), err)
		return
	}
	if name == otlptranslator.TargetInfoMetricName {
		refused.add(m.Name(), errTargetInfo)
		return
	}
	to, err := b.family(name, strings.ToValidUTF8(m.Description(), "\uFFFD"), kind)
	if err != nil {
		refused.add(m.Name(), err)
		return
	}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		for _, p := range m.Gauge().DataPoints().All() {
			b.show(to, p, plain, &dto.Metric{Gauge: &dto.Gauge{Value: new(number(p))}})
		}
	case pmetric.MetricTypeSum:
		for _, p := range m.Sum().DataPoints().All() {
			b.show(to, p, plain, sum(p, kind))
		}
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			h, err := classicHistogram(p)
			b.showHistogram(m.Name(), to, p, plain, h, err, refused)
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			h, err := nativeHistogram(p)
			b.showHistogram(m.Name(), to, p, native, h, err, refused)
		}
	}
}

// kinds are the kind of a metric on the page and the one that makes its name.
func kinds(m pmetric.Metric) (dto.MetricType, otlptranslator.MetricType, error) {
	temporality := pmetric.AggregationTemporalityCumulative
	var kind dto.MetricType
	var nameKind otlptranslator.MetricType
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		kind, nameKind = dto.MetricType_GAUGE, otlptranslator.MetricTypeGauge
	case pmetric.MetricTypeSum:
		temporality = m.Sum().AggregationTemporality()
		kind, nameKind = dto.MetricType_GAUGE, otlptranslator.MetricTypeNonMonotonicCounter
		if m.Sum().IsMonotonic() {
			kind, nameKind = dto.MetricType_COUNTER, otlptranslator.MetricTypeMonotonicCounter
		}
	case pmetric.MetricTypeHistogram:
		temporality = m.Histogram().AggregationTemporality()
		kind, nameKind = dto.MetricType_HISTOGRAM, otlptranslator.MetricTypeHistogram
	case pmetric.MetricTypeExponentialHistogram:
		temporality = m.ExponentialHistogram().AggregationTemporality()
		// The name is the same as a histogram's, for the two to meet.
		kind, nameKind = dto.MetricType_HISTOGRAM, otlptranslator.MetricTypeHistogram
	default:
		return 0, 0, fmt.Errorf("type %s is not supported", m.Type())
	}
	if temporality != pmetric.AggregationTemporalityCumulative {
		return 0, 0, errNotCumulative
	}
	return kind, nameKind, nil
}

func number(p pmetric.NumberDataPoint) float64 {
	if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
		return float64(p.IntValue())
	}
	return p.DoubleValue()
}

func sum(p pmetric.NumberDataPoint, kind dto.MetricType) *dto.Metric {
	if kind == dto.MetricType_GAUGE {
		return &dto.Metric{Gauge: &dto.Gauge{Value: new(number(p))}}
	}
	counter := &dto.Counter{Value: new(number(p)), CreatedTimestamp: timestamp(p.StartTimestamp())}
	if list := exemplars(p.Exemplars()); len(list) > 0 {
		counter.Exemplar = list[len(list)-1]
	}
	return &dto.Metric{Counter: counter}
}

func (b *batch) showHistogram(name string, to *family, p point, kind partKind, h *dto.Histogram, err error, refused *faults) {
	if err != nil {
		refused.add(name, err)
		return
	}
	b.show(to, p, kind, &dto.Metric{Histogram: h})
}

// show puts a point in the place of the one before. A point without a recorded
// value ends it.
func (b *batch) show(to *family, p point, kind partKind, metric *dto.Metric) {
	b.labels = b.target.appendLabels(b.labels[:0])
	b.labels = b.names.appendLabels(b.labels, p.Attributes(), func(name string) bool {
		return b.target.owns(name) || to.kind == dto.MetricType_HISTOGRAM && name == labelBound
	})
	sortLabels(b.labels)
	b.key = appendKey(b.key[:0], b.labels)
	one, ok := to.series[string(b.key)]
	if !ok {
		one = to.add(string(b.key))
		one.labels = labelPairs(b.labels)
	}
	if p.Flags().NoRecordedValue() {
		metric = nil
	} else {
		metric.Label = one.labels
	}
	one.set(kind, part{start: p.StartTimestamp(), at: p.Timestamp(), seen: b.now(), metric: metric})
	b.latest = max(b.latest, p.Timestamp())
	b.taken++
}

// targetInfo shows the attributes of the resource beside its series, as one
// series for each job and instance. It is there without attributes too: it is
// how dashboards list the jobs and instances.
func (b *batch) targetInfo(resource pcommon.Resource) error {
	if b.taken == 0 || b.target == (target{}) {
		return nil
	}
	rest := pcommon.NewMap()
	resource.Attributes().CopyTo(rest)
	for _, name := range []string{
		string(semconv.ServiceNameKey), string(semconv.ServiceNamespaceKey), string(semconv.ServiceInstanceIDKey),
	} {
		rest.Remove(name)
	}
	to, err := b.family(otlptranslator.TargetInfoMetricName, "Target metadata", dto.MetricType_GAUGE)
	if err != nil {
		return err
	}
	b.labels = b.target.appendLabels(b.labels[:0])
	b.key = appendKey(b.key[:0], b.labels)
	one, ok := to.series[string(b.key)]
	if !ok {
		one = to.add(string(b.key))
	}
	b.labels = b.names.appendLabels(b.labels, rest, b.target.owns)
	sortLabels(b.labels)
	one.set(plain, part{at: b.latest, seen: b.now(), metric: &dto.Metric{
		Label: labelPairs(b.labels),
		Gauge: &dto.Gauge{Value: new(1.0)},
	}})
	return nil
}
