// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/test/port"
)

func TestPageAsText(t *testing.T) {
	in := newInput(map[string]any{
		"service.name": "goproxy", "service.namespace": "build", "service.instance.id": "i1",
		"deployment.environment.name": "ci",
	})
	in.counter("goproxy.module.requests", 3, 10, "goproxy.module.path", "rsc.io/quote")
	in.sum("http.server.active_requests", "{request}", false).DataPoints().AppendEmpty().SetIntValue(-1)
	in.metric("goproxy.cache.size", "By").SetEmptyGauge().DataPoints().AppendEmpty().SetDoubleValue(1.5)
	in.histogram("http.server.request.duration", []uint64{1, 2, 3}, 10, "http.request.method", "GET")

	e := running(t)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	assert.Equal(t, `# HELP goproxy_cache_size_bytes What goproxy.cache.size is.
# TYPE goproxy_cache_size_bytes gauge
goproxy_cache_size_bytes{instance="i1",job="build/goproxy"} 1.5
# HELP goproxy_module_requests_total What goproxy.module.requests is.
# TYPE goproxy_module_requests_total counter
goproxy_module_requests_total{goproxy_module_path="rsc.io/quote",instance="i1",job="build/goproxy"} 3
# HELP http_server_active_requests What http.server.active_requests is.
# TYPE http_server_active_requests gauge
http_server_active_requests{instance="i1",job="build/goproxy"} -1
# HELP http_server_request_duration_seconds What http.server.request.duration is.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_request_method="GET",instance="i1",job="build/goproxy",le="0.1"} 1
http_server_request_duration_seconds_bucket{http_request_method="GET",instance="i1",job="build/goproxy",le="1"} 3
http_server_request_duration_seconds_bucket{http_request_method="GET",instance="i1",job="build/goproxy",le="+Inf"} 6
http_server_request_duration_seconds_sum{http_request_method="GET",instance="i1",job="build/goproxy"} 3
http_server_request_duration_seconds_count{http_request_method="GET",instance="i1",job="build/goproxy"} 6
# HELP target_info Target metadata
# TYPE target_info gauge
target_info{deployment_environment_name="ci",instance="i1",job="build/goproxy"} 1
`, string(e.scrape(t, "text/plain")))

	problems, err := testutil.GatherAndLint(e.store)
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestPageAsOpenMetrics(t *testing.T) {
	in := newInput(proxy)
	counter := in.counter("goproxy.module.requests", 3, 10)
	counter.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Unix(1000, 0)))
	exemplar := counter.Exemplars().AppendEmpty()
	exemplar.SetIntValue(1)
	exemplar.SetTraceID(pcommon.TraceID{15: 1})
	exemplar.SetSpanID(pcommon.SpanID{7: 2})
	exemplar.SetTimestamp(pcommon.NewTimestampFromTime(time.Unix(1001, 0)))
	h := in.histogram("http.server.request.duration", []uint64{1, 2, 3}, 10)
	above := h.Exemplars().AppendEmpty()
	above.SetDoubleValue(7)
	above.SetTraceID(pcommon.TraceID{15: 3})

	e := running(t)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	assert.Equal(t, `# HELP goproxy_module_requests What goproxy.module.requests is.
# TYPE goproxy_module_requests counter
goproxy_module_requests_total{instance="i1",job="goproxy"} 3.0 # {trace_id="00000000000000000000000000000001",span_id="0000000000000002"} 1.0 1001.0
# HELP http_server_request_duration_seconds What http.server.request.duration is.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{instance="i1",job="goproxy",le="0.1"} 1
http_server_request_duration_seconds_bucket{instance="i1",job="goproxy",le="1.0"} 3
http_server_request_duration_seconds_bucket{instance="i1",job="goproxy",le="+Inf"} 6 # {trace_id="00000000000000000000000000000003"} 7.0
http_server_request_duration_seconds_sum{instance="i1",job="goproxy"} 3.0
http_server_request_duration_seconds_count{instance="i1",job="goproxy"} 6
# HELP target_info Target metadata
# TYPE target_info gauge
target_info{instance="i1",job="goproxy"} 1.0
# EOF
`, string(e.scrape(t, openMetrics)))
	assert.Equal(t, int64(1000), e.families(t)["goproxy_module_requests_total"].GetMetric()[0].GetCounter().GetCreatedTimestamp().GetSeconds())
}

func TestLabels(t *testing.T) {
	for name, tt := range map[string]struct {
		resource   map[string]any
		attributes []string
		want       string
	}{
		"escaping":               {nil, []string{"a", "b\\\"\nc"}, `{a="b\\\"\nc"}`},
		"invalid UTF-8":          {nil, []string{"a\xff", "b\xff"}, "{a_=\"b\uFFFD\"}"},
		"empty value":            {nil, []string{"a", "", "b", "c"}, `{b="c"}`},
		"no name":                {nil, []string{"", "x", "...", "y"}, `{key="x;y"}`},
		"digit":                  {nil, []string{"1a", "x"}, `{key_1a="x"}`},
		"reserved":               {nil, []string{"__name__", "x"}, `{key__name__="x"}`},
		"same after translation": {nil, []string{"b.c", "2", "b_c", "3", "b-c", "1"}, `{b_c="1;2;3"}`},
		"job and instance":       {proxy, []string{"job", "x", "instance", "y"}, `{exported_instance="y",exported_job="x",instance="i1",job="goproxy"}`},
		"no resource":            {nil, []string{"job", "x"}, `{job="x"}`},
		"le of a counter":        {nil, []string{"le", "x"}, `{le="x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInput(tt.resource)
			in.counter("c", 1, 1, tt.attributes...)
			e := running(t)
			require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
			page := e.scrape(t, "text/plain")
			assert.Contains(t, string(page), "\nc_total"+tt.want+" 1\n")
			parser := expfmt.NewTextParser(model.LegacyValidation)
			_, err := parser.TextToMetricFamilies(bytes.NewReader(page))
			assert.NoError(t, err)
		})
	}
}

func TestALabelLeOfAHistogramIsRenamed(t *testing.T) {
	in := newInput(nil)
	in.histogram("h", []uint64{1, 0, 0}, 1, "le", "x")
	e := running(t)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	assert.Contains(t, string(e.scrape(t, "text/plain")), `h_seconds_bucket{exported_le="x",le="0.1"} 1`)
}

func TestAnOlderPointIsIgnored(t *testing.T) {
	e := running(t)
	for _, step := range []struct {
		value int64
		at    pcommon.Timestamp
		want  string
	}{
		{5, 10, "5"}, {4, 9, "5"}, {6, 10, "6"}, {7, 11, "7"}, {1, 1, "7"}, {0, 12, "0"},
	} {
		in := newInput(proxy)
		in.counter("c", step.value, step.at)
		require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
		assert.Contains(t, string(e.scrape(t, "text/plain")), `c_total{instance="i1",job="goproxy"} `+step.want+"\n")
	}
}

func TestTargetInfoFollowsTheResource(t *testing.T) {
	e := running(t)
	for i, environment := range []string{"ci", "production"} {
		in := newInput(map[string]any{"service.name": "goproxy", "job": "x", "deployment.environment.name": environment})
		in.counter("c", 1, pcommon.Timestamp(i+1))
		require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	}
	page := string(e.scrape(t, "text/plain"))
	assert.Contains(t, page, `target_info{deployment_environment_name="production",exported_job="x",job="goproxy"} 1`)
	assert.Equal(t, 1, strings.Count(page, "target_info{"))
}

func TestWhatCannotBeShownIsRefused(t *testing.T) {
	delta := func(in *input) {
		s := in.sum("delta", "", true)
		s.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		s.DataPoints().AppendEmpty().SetIntValue(1)
	}
	for name, tt := range map[string]struct {
		add  func(*input)
		want string
	}{
		"delta":   {delta, `metric "delta": temporality is not cumulative`},
		"summary": {func(in *input) { in.metric("s", "").SetEmptySummary() }, `metric "s": type Summary is not supported`},
		"no type": {func(in *input) { in.metric("e", "") }, `metric "e": type Empty is not supported`},
		"no name": {func(in *input) { in.metric("", "").SetEmptyGauge() }, `metric "": normalization for metric "" resulted in`},
		"another type": {func(in *input) {
			in.metric("taken_total", "").SetEmptyGauge()
		}, `metric "taken_total": taken_total is a counter already, not a gauge`},
		"suffix of a histogram": {func(in *input) {
			in.histogram("h", []uint64{1, 0, 0}, 1)
			in.metric("h_seconds_count", "").SetEmptyGauge()
		}, `metric "h_seconds_count": gauge h_seconds_count collides with histogram h_seconds`},
		"base of a counter": {func(in *input) {
			in.metric("taken", "").SetEmptyGauge()
		}, `metric "taken": gauge taken collides with counter taken_total`},
		"scale": {func(in *input) { in.exponential("x", -5, 0, []uint64{1}, 1) }, `metric "x": exponential histogram of scale -5, Prometheus has -4 to 8`},
		"count of a histogram": {func(in *input) {
			in.histogram("h", []uint64{1, 0, 0}, 1).SetCount(2)
		}, `metric "h": histogram of 2 observations with 1 in its buckets`},
		"buckets of a histogram": {func(in *input) {
			in.histogram("h", []uint64{1, 0}, 1)
		}, `metric "h": histogram of 2 buckets with 2 bounds`},
		"bounds of a histogram": {func(in *input) {
			in.histogram("h", []uint64{1, 0, 0}, 1).ExplicitBounds().FromRaw([]float64{1, 1})
		}, `metric "h": histogram whose bounds don't rise`},
		"count of an exponential histogram": {func(in *input) {
			in.exponential("x", 0, 0, []uint64{1}, 1).SetZeroCount(1)
		}, `metric "x": exponential histogram of 1 observations with 2 in its buckets`},
		"offset": {func(in *input) {
			in.exponential("x", 0, 1<<31-1, []uint64{1}, 1)
		}, `metric "x": exponential histogram with buckets from 2147483647 to 2147483648`},
		"many": {func(in *input) {
			for range 12 {
				delta(in)
			}
		}, "and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			e := running(t)
			in := newInput(nil)
			in.counter("taken", 1, 1)
			tt.add(&in)
			in.counter("other", 2, 1)
			err := e.consumeMetrics(t.Context(), in.Metrics)
			require.ErrorContains(t, err, tt.want)
			assert.True(t, consumererror.IsPermanent(err))
			page := string(e.scrape(t, "text/plain"))
			assert.Contains(t, page, "taken_total 1\n")
			assert.Contains(t, page, "other_total 2\n", "the rest of the batch is shown")
		})
	}
}

func TestTheFirstHelpStays(t *testing.T) {
	e := running(t)
	in := newInput(nil)
	in.counter("c", 1, 1, "a", "1")
	in.nextScope()
	in.counter("c", 2, 1, "a", "2")
	in.scope.Metrics().At(0).SetDescription("Something else.")
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	assert.Equal(t, "# HELP c_total What c is.\n# TYPE c_total counter\nc_total{a=\"1\"} 1\nc_total{a=\"2\"} 2\n", string(e.scrape(t, "text/plain")))
}

func TestAPointWithoutValueEndsTheSeries(t *testing.T) {
	e := running(t)
	in := newInput(nil)
	in.counter("c", 1, 1)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	in = newInput(nil)
	p := in.counter("c", 0, 2)
	p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	assert.Empty(t, e.scrape(t, "text/plain"))
}

func TestOtherMetricsOnThePage(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewBuildInfoCollector())
	clash := prometheus.NewGauge(prometheus.GaugeOpts{Name: "c_total", Help: "Another."})
	registry.MustRegister(clash)

	e := running(t, registry)
	in := newInput(nil)
	in.counter("c", 1, 1)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	page := string(e.scrape(t, "text/plain"))
	assert.Contains(t, page, "go_build_info{")
	assert.Contains(t, page, "# TYPE c_total counter\nc_total 1\n", "ours comes first")
}

func TestWithGatherer(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewBuildInfoCollector())
	f := NewFactory(WithGatherer(registry))
	cfg := f.CreateDefaultConfig().(*Config)
	cfg.Endpoint = port.Address(t)
	metrics, err := f.CreateMetrics(t.Context(), exportertest.NewNopSettings(componentType), cfg)
	require.NoError(t, err)
	require.NoError(t, metrics.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, metrics.Shutdown(context.Background())) })
	in := newInput(nil)
	in.counter("c", 1, 1)
	require.NoError(t, metrics.ConsumeMetrics(t.Context(), in.Metrics))

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/metrics": http.StatusOK, "/": http.StatusNotFound} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+cfg.Endpoint+path, nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, want, response.StatusCode)
	}
}

func TestAPortThatIsTakenStopsTheStart(t *testing.T) {
	first := running(t)
	set := exportertest.NewNopSettings(componentType)
	set.ID = component.NewIDWithName(componentType, "test")
	address := first.server.addr().String()
	second := newExporter(&Config{Endpoint: address}, set, nil, func(string, string, string) {})
	require.EqualError(t, second.start(t.Context(), componenttest.NewNopHost()), fmt.Sprintf(
		"exporters::prometheus/test::endpoint: listen tcp %s: bind: address already in use: choose an address that is this machine's and free", address))
	assert.NoError(t, second.shutdown(t.Context()))
}

func TestLifecycle(t *testing.T) {
	f := NewFactory()
	cfg := f.CreateDefaultConfig().(*Config)
	cfg.Endpoint = "localhost:0"
	host := componenttest.NewNopHost()
	metrics, err := f.CreateMetrics(t.Context(), exportertest.NewNopSettings(componentType), cfg)
	require.NoError(t, err)
	require.NoError(t, metrics.Shutdown(t.Context()), "before the start")

	metrics, err = f.CreateMetrics(t.Context(), exportertest.NewNopSettings(componentType), cfg)
	require.NoError(t, err)
	require.NoError(t, errors.Join(metrics.Start(t.Context(), host), metrics.Start(t.Context(), host)))
	require.NoError(t, errors.Join(metrics.Shutdown(t.Context()), metrics.Shutdown(t.Context())))
}

func TestScrapesAndBatchesAtOnce(t *testing.T) {
	e := running(t)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for i := range 50 {
				in := newInput(proxy)
				n := uint64(i)
				in.histogram("h", []uint64{n, n, n}, pcommon.Timestamp(i))
				in.nextScope()
				in.exponential("h", 3, 0, []uint64{n, n, n}, pcommon.Timestamp(i))
				assert.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
			}
		})
		workers.Go(func() {
			for range 20 {
				if f := e.families(t)["h_seconds"]; f != nil {
					h := f.GetMetric()[0].GetHistogram()
					assert.Len(t, h.GetBucket(), 2, "a page shows whole batches")
					assert.Equal(t, int32(3), h.GetSchema())
				}
			}
		})
	}
	workers.Wait()
}
