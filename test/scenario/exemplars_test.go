// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"cmp"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exemplar is one that Prometheus keeps.
type exemplar struct {
	series      map[string]string
	trace, span string
	at          time.Time
	value       float64
}

// exemplars are those of the series that an expression selects, by time.
func (p *prometheus) exemplars(t *testing.T, expression string) []exemplar {
	t.Helper()
	var answer struct {
		Data []struct {
			SeriesLabels map[string]string `json:"seriesLabels"`
			Exemplars    []struct {
				Labels    map[string]string `json:"labels"`
				Value     float64           `json:"value,string"`
				Timestamp float64           `json:"timestamp"`
			} `json:"exemplars"`
		} `json:"data"`
	}
	query := url.Values{"query": {expression}, "start": {strconv.FormatInt(p.from.Unix(), 10)}, "end": {strconv.FormatInt(p.to.Unix()+1, 10)}}
	getJSON(t, p.url+"/api/v1/query_exemplars?"+query.Encode(), &answer)
	var all []exemplar
	for _, series := range answer.Data {
		for _, e := range series.Exemplars {
			all = append(all, exemplar{
				series: series.SeriesLabels, trace: e.Labels["trace_id"], span: e.Labels["span_id"], at: seconds(e.Timestamp), value: e.Value,
			})
		}
	}
	slices.SortFunc(all, func(a, b exemplar) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.span, b.span)) })
	return all
}

// points is how many random exemplars are followed.
const points = 10

// exemplars follows points of native histograms to the span in Jaeger, from there to the document in Elasticsearch, and from that to the module.
func (r *rehearsal) exemplars(t *testing.T) {
	b := r.backends()
	// The name alone is the native histogram; classic ones have _bucket behind it.
	all := b.prometheus.exemplars(t, `http_server_request_duration_seconds{goproxy_operation=~"info|mod|zip"}`)
	all = slices.DeleteFunc(all, func(e exemplar) bool { return time.Since(e.at) < 10*time.Second }) // its telemetry may be under way
	require.GreaterOrEqual(t, len(all), points)
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d exemplars on native histograms; %d of them by seed %d", len(all), points, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, e := range all[:points] {
		assert.Equal(t, "http_server_request_duration_seconds", e.series["__name__"])
		duration, ok := span(b.jaeger.traces(t, "/api/traces/"+e.trace), e.span)
		require.True(t, ok, "span %s of trace %s isn't in Jaeger", e.span, e.trace)
		assert.InDelta(t, e.value, duration.Seconds(), 1e-3, "the span took what the exemplar says")

		f := b.documents.search(t, dsl{"size": 2, "query": dsl{"bool": dsl{"filter": []any{
			dsl{"term": dsl{"trace.id": e.trace}}, dsl{"term": dsl{"span.id": e.span}},
		}}}})
		require.Len(t, f.Hits.Hits, 1, "documents of span %s", e.span)
		document := f.Hits.Hits[0].Source
		module := text(document, "goproxy", "module", "path")
		assert.NotEmpty(t, module)
		assert.Contains(t, text(document, "url", "path"), module)
		assert.Equal(t, e.series["job"], text(document, "service", "name"))
		assert.Equal(t, e.series["goproxy_operation"], text(document, "goproxy", "operation"))
		t.Logf("%6.1f ms %-4s of %-8s -> trace %s -> %s %s", e.value*1000, e.series["goproxy_operation"], e.series["job"], e.trace, module, text(document, "goproxy", "outcome"))
	}
}

// span finds a span and returns its duration.
func span(traces []trace, id string) (time.Duration, bool) {
	for _, one := range traces {
		for _, s := range one.Spans {
			if s.SpanID == id {
				return time.Duration(s.Duration) * time.Microsecond, true
			}
		}
	}
	return 0, false
}
