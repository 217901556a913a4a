// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

const (
	text        = "text/plain; version=0.0.4"
	openMetrics = "application/openmetrics-text; version=1.0.0"
	protobuf    = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

// running is an exporter that serves on a port of its own.
func running(t testing.TB, others ...prometheus.Gatherer) *prometheusExporter {
	t.Helper()
	set := exportertest.NewNopSettings(componentType)
	set.ID = component.NewIDWithName(componentType, "test")
	e := newExporter(&Config{Endpoint: "localhost:0"}, set, others, func(string, string, string) {})
	require.NoError(t, e.start(context.Background(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, e.shutdown(context.Background())) })
	return e
}

// scrape reads the page over HTTP in the format that accept asks for.
func (e *prometheusExporter) scrape(t testing.TB, accept string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, fmt.Sprintf("http://%s/metrics", e.server.addr()), nil)
	require.NoError(t, err)
	request.Header.Set("Accept", accept)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", body)
	return body
}

// families scrapes by protobuf, the only format that has everything.
func (e *prometheusExporter) families(t testing.TB) map[string]*dto.MetricFamily {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, fmt.Sprintf("http://%s/metrics", e.server.addr()), nil)
	require.NoError(t, err)
	request.Header.Set("Accept", protobuf)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	families := map[string]*dto.MetricFamily{}
	decoder := expfmt.NewDecoder(response.Body, expfmt.ResponseFormat(response.Header))
	for {
		family := new(dto.MetricFamily)
		if err := decoder.Decode(family); errors.Is(err, io.EOF) {
			return families
		} else if err != nil {
			require.NoError(t, err)
		}
		families[family.GetName()] = family
	}
}

// input is a batch of one resource in the making.
type input struct {
	pmetric.Metrics
	scope pmetric.ScopeMetrics
}

func newInput(resource map[string]any) input {
	metrics := pmetric.NewMetrics()
	inResource := metrics.ResourceMetrics().AppendEmpty()
	if err := inResource.Resource().Attributes().FromRaw(resource); err != nil {
		panic(err)
	}
	return input{Metrics: metrics, scope: inResource.ScopeMetrics().AppendEmpty()}
}

func (in *input) nextScope() {
	in.scope = in.ResourceMetrics().At(0).ScopeMetrics().AppendEmpty()
	in.scope.Scope().SetName("another")
}

func (in *input) metric(name, unit string) pmetric.Metric {
	m := in.scope.Metrics().AppendEmpty()
	m.SetName(name)
	m.SetUnit(unit)
	m.SetDescription("What " + name + " is.")
	return m
}

func (in *input) sum(name, unit string, monotonic bool) pmetric.Sum {
	s := in.metric(name, unit).SetEmptySum()
	s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	s.SetIsMonotonic(monotonic)
	return s
}

// counter adds a counter with one point.
func (in *input) counter(name string, value int64, at pcommon.Timestamp, attributes ...string) pmetric.NumberDataPoint {
	p := in.sum(name, "{request}", true).DataPoints().AppendEmpty()
	p.SetIntValue(value)
	p.SetTimestamp(at)
	put(p.Attributes(), attributes)
	return p
}

// histogram adds a classic histogram with the bounds 0.1 and 1.
func (in *input) histogram(name string, counts []uint64, at pcommon.Timestamp, attributes ...string) pmetric.HistogramDataPoint {
	h := in.metric(name, "s").SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := h.DataPoints().AppendEmpty()
	p.ExplicitBounds().FromRaw([]float64{0.1, 1})
	p.BucketCounts().FromRaw(counts)
	total := uint64(0)
	for _, count := range counts {
		total += count
	}
	p.SetCount(total)
	p.SetSum(float64(total) / 2)
	p.SetTimestamp(at)
	put(p.Attributes(), attributes)
	return p
}

// exponential adds an exponential histogram.
func (in *input) exponential(name string, scale, offset int32, counts []uint64, at pcommon.Timestamp, attributes ...string) pmetric.ExponentialHistogramDataPoint {
	h := in.metric(name, "s").SetEmptyExponentialHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := h.DataPoints().AppendEmpty()
	p.SetScale(scale)
	p.Positive().SetOffset(offset)
	p.Positive().BucketCounts().FromRaw(counts)
	total := uint64(0)
	for _, count := range counts {
		total += count
	}
	p.SetCount(total)
	p.SetSum(float64(total) / 2)
	p.SetTimestamp(at)
	put(p.Attributes(), attributes)
	return p
}

func put(to pcommon.Map, attributes []string) {
	for i := 0; i < len(attributes); i += 2 {
		to.PutStr(attributes[i], attributes[i+1])
	}
}

var proxy = map[string]any{"service.name": "goproxy", "service.instance.id": "i1"}
