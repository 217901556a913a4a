// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	grafana "github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards/picture"
)

// dsl is a request body of Elasticsearch.
type dsl = map[string]any

// documents asks a real Elasticsearch as Grafana's data source does.
type documents struct {
	url      string // with the indices
	from, to time.Time
}

// found is an answer of _search.
type found struct {
	Hits struct {
		Total struct {
			Value int `json:"value"`
		} `json:"total"`
		Hits []struct {
			Source map[string]any `json:"_source"`
		} `json:"hits"`
	} `json:"hits"`
	Shards struct {
		Failed int `json:"failed"`
	} `json:"_shards"`
	Aggregations map[string]json.RawMessage `json:"aggregations"`
}

func (d *documents) search(t *testing.T, body dsl) (f found) {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	callJSON(t, http.MethodPost, d.url+"/_search", "application/json", string(text), &f)
	assert.Zero(t, f.Shards.Failed)
	return f
}

// filter selects documents of the range by a Lucene query, as Grafana writes it.
func (d *documents) filter(lucene string) dsl {
	return dsl{"bool": dsl{"filter": []any{
		dsl{"range": dsl{"@timestamp": dsl{"gte": d.from.UnixMilli(), "lte": d.to.UnixMilli(), "format": "epoch_millis"}}},
		dsl{"query_string": dsl{"analyze_wildcard": true, "query": lucene}},
	}}}
}

// evaluate runs a panel's query, its variables expanded, and returns how many documents it selects and what a panel shows of them.
func (d *documents) evaluate(t *testing.T, q *grafana.Dataquery, lucene string) (hits int, a picture.Answer) {
	t.Helper()
	body := dsl{"size": 0, "track_total_hits": true, "query": d.filter(lucene)}
	if logs := q.Metrics[0].Logs; logs != nil {
		body["size"], body["sort"] = 200, []any{dsl{"@timestamp": "desc"}}
		f := d.search(t, body)
		a.Rows = &picture.Table{Columns: []string{"@timestamp", "outcome", "path"}}
		for _, hit := range f.Hits.Hits {
			at, err := time.Parse(time.RFC3339Nano, text(hit.Source, "@timestamp"))
			require.NoError(t, err)
			a.Rows.Cells = append(a.Rows.Cells, []any{at, text(hit.Source, "goproxy", "outcome"), text(hit.Source, "url", "path")})
		}
		return f.Hits.Total.Value, a
	}
	metrics := metricsOf(t, q.Metrics)
	body["aggs"] = nest(t, q.BucketAggs, metrics)
	f := d.search(t, body)
	b := &buckets{t: t, by: q.BucketAggs, metrics: metrics, table: &picture.Table{}, series: map[string]*picture.Series{}}
	b.head()
	b.walk(0, nil, f.Aggregations)
	a.Rows = b.table
	for _, name := range b.names {
		a.Series = append(a.Series, *b.series[name])
	}
	return f.Hits.Total.Value, a
}

func text(source map[string]any, path ...string) string {
	var at any = source
	for _, key := range path {
		inner, _ := at.(map[string]any)
		at = inner[key]
	}
	s, _ := at.(string)
	return s
}

// metric is a metric aggregation; count has no body.
type metric struct {
	id, kind, field string
	body            dsl
}

func metricsOf(t *testing.T, all []grafana.MetricAggregation) []metric {
	t.Helper()
	found := make([]metric, len(all))
	for i, m := range all {
		switch {
		case m.Count != nil:
			found[i] = metric{id: m.Count.Id, kind: "Count"}
		case m.Max != nil:
			found[i] = metric{id: m.Max.Id, kind: "Max", field: *m.Max.Field, body: dsl{"max": dsl{"field": *m.Max.Field}}}
		case m.Sum != nil:
			found[i] = metric{id: m.Sum.Id, kind: "Sum", field: *m.Sum.Field, body: dsl{"sum": dsl{"field": *m.Sum.Field}}}
		case m.Average != nil:
			found[i] = metric{id: m.Average.Id, kind: "Average", field: *m.Average.Field, body: dsl{"avg": dsl{"field": *m.Average.Field}}}
		case m.Percentiles != nil:
			percents := make([]float64, len(m.Percentiles.Settings.Percents))
			for j, p := range m.Percentiles.Settings.Percents {
				v, err := strconv.ParseFloat(p, 64)
				require.NoError(t, err)
				percents[j] = v
			}
			found[i] = metric{
				id: m.Percentiles.Id, kind: "Percentiles", field: *m.Percentiles.Field,
				body: dsl{"percentiles": dsl{"field": *m.Percentiles.Field, "percents": percents}},
			}
		default:
			require.Fail(t, "a metric of no known kind", "%+v", m)
		}
	}
	return found
}

// interval is what Grafana's "auto" comes to in a rehearsal.
const interval = "10s"

// nest puts the bucket aggregations into each other, and the metrics into the innermost one.
func nest(t *testing.T, by []grafana.BucketAggregation, metrics []metric) dsl {
	t.Helper()
	inner := dsl{}
	if len(by) == 0 {
		for _, m := range metrics {
			if m.body != nil {
				inner[m.id] = m.body
			}
		}
		return inner
	}
	below := nest(t, by[1:], metrics)
	if terms := by[0].Terms; terms != nil {
		size, err := strconv.Atoi(*terms.Settings.Size)
		require.NoError(t, err)
		// An order by a metric needs it on this level.
		for _, m := range metrics {
			if *terms.Settings.OrderBy == m.id && m.body != nil {
				below[m.id] = m.body
			}
		}
		order := *terms.Settings.OrderBy
		if order == "1" && metrics[0].body == nil {
			order = "_count"
		}
		one := dsl{"terms": dsl{"field": *terms.Field, "size": size, "min_doc_count": 1, "order": dsl{order: string(*terms.Settings.Order)}}}
		if len(below) > 0 {
			one["aggs"] = below
		}
		inner[terms.Id] = one
		return inner
	}
	histogram := by[0].DateHistogram
	require.NotNil(t, histogram, "a bucket aggregation of no known kind")
	one := dsl{"date_histogram": dsl{"field": *histogram.Field, "fixed_interval": interval, "min_doc_count": 0}}
	if len(below) > 0 {
		one["aggs"] = below
	}
	inner[histogram.Id] = one
	return inner
}

// buckets reads an answer's aggregations into a table and into series.
type buckets struct {
	t       *testing.T
	by      []grafana.BucketAggregation
	metrics []metric
	table   *picture.Table
	series  map[string]*picture.Series
	names   []string
}

// head names the columns as Grafana does: a metric by its kind, and by its field too where there are several of the kind.
func (b *buckets) head() {
	for _, by := range b.by {
		if by.Terms != nil {
			b.table.Columns = append(b.table.Columns, *by.Terms.Field)
		}
	}
	kinds := map[string]int{}
	for _, m := range b.metrics {
		kinds[m.kind]++
	}
	for _, m := range b.metrics {
		name := m.kind
		if kinds[m.kind] > 1 {
			name += " " + m.field
		}
		b.table.Columns = append(b.table.Columns, name)
	}
}

func (b *buckets) walk(depth int, keys []any, level map[string]json.RawMessage) {
	b.t.Helper()
	if depth == len(b.by) {
		b.leaf(keys, level)
		return
	}
	id := ""
	if by := b.by[depth]; by.Terms != nil {
		id = by.Terms.Id
	} else {
		id = by.DateHistogram.Id
	}
	var result struct {
		Buckets []map[string]json.RawMessage `json:"buckets"`
	}
	require.NoError(b.t, json.Unmarshal(level[id], &result), "%s", level[id])
	for _, bucket := range result.Buckets {
		var key any
		require.NoError(b.t, json.Unmarshal(bucket["key"], &key))
		if b.by[depth].DateHistogram != nil {
			key = time.UnixMilli(int64(key.(float64)))
		}
		b.walk(depth+1, append(append([]any{}, keys...), key), bucket)
	}
}

// leaf is one innermost bucket: a row, or a point of each metric's series.
func (b *buckets) leaf(keys []any, bucket map[string]json.RawMessage) {
	b.t.Helper()
	var at time.Time
	var names []string
	var row []any
	for _, key := range keys {
		if when, ok := key.(time.Time); ok {
			at = when
			continue
		}
		row = append(row, fmt.Sprint(key))
		names = append(names, fmt.Sprint(key))
	}
	for _, m := range b.metrics {
		values := b.values(m, bucket)
		for suffix, value := range values {
			if !at.IsZero() && value != nil {
				b.point(strings.TrimSpace(strings.Join(names, " ")+" "+suffix), at, *value)
			}
		}
		var cell any
		if v := values[""]; v != nil {
			cell = *v
		}
		row = append(row, cell)
	}
	if at.IsZero() {
		b.table.Cells = append(b.table.Cells, row)
	}
}

// values are those of a metric in a bucket: one, or one for each percentile.
func (b *buckets) values(m metric, bucket map[string]json.RawMessage) map[string]*float64 {
	b.t.Helper()
	if m.kind == "Count" {
		var n float64
		require.NoError(b.t, json.Unmarshal(bucket["doc_count"], &n))
		return map[string]*float64{"": &n}
	}
	var result struct {
		Value  *float64            `json:"value"`
		Values map[string]*float64 `json:"values"`
	}
	require.NoError(b.t, json.Unmarshal(bucket[m.id], &result), "%s", bucket[m.id])
	if result.Values == nil {
		return map[string]*float64{"": result.Value}
	}
	named := map[string]*float64{}
	for percent, value := range result.Values {
		named["p"+strings.TrimSuffix(percent, ".0")] = value
	}
	return named
}

func (b *buckets) point(name string, at time.Time, value float64) {
	s := b.series[name]
	if s == nil {
		s = &picture.Series{Name: name}
		b.series[name] = s
		b.names = append(b.names, name)
	}
	s.Times, s.Values = append(s.Times, at), append(s.Values, value)
}
