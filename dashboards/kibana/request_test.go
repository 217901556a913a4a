// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// window is the time that Kibana's picker is set to.
type window struct {
	from, to time.Time
}

// missingKey is what Kibana lets Elasticsearch call the bucket of documents without the field.
const missingKey = "__missing__"

// searchBody is the request that Discover makes of a saved search.
func (s *Search) searchBody(w window) (dsl, error) {
	query, err := s.Meta.SearchSource.Value.query(w)
	if err != nil {
		return nil, err
	}
	sort := make([]dsl, len(s.Sort))
	for i, by := range s.Sort {
		sort[i] = dsl{by[0]: dsl{"order": by[1], "unmapped_type": "boolean"}}
	}
	return dsl{
		"version": true, "size": 500, "track_total_hits": true, "sort": sort, "query": query,
		"aggs":            dsl{"2": dsl{"date_histogram": dateHistogram(w)}},
		"stored_fields":   []string{"*"},
		"script_fields":   dsl{},
		"docvalue_fields": []dsl{{"field": timeField, "format": "date_time"}},
		"_source":         dsl{"excludes": []string{}},
		"highlight":       dsl{"pre_tags": []string{"<b>"}, "post_tags": []string{"</b>"}, "fields": dsl{"*": dsl{}}, "fragment_size": 2147483647},
	}, nil
}

// searchBody is the request that a visualization makes: each bucket inside the one before it, the metrics in the last one.
func (v *Visualization) searchBody(w window) (dsl, error) {
	query, err := v.Meta.SearchSource.Value.query(w)
	if err != nil {
		return nil, err
	}
	aggs := v.VisState.Value.Aggs
	metrics := dsl{}
	for _, agg := range aggs {
		if !agg.isBucket() && agg.Type != "count" {
			metrics[agg.ID] = agg.request(w, nil)
		}
	}
	inner := metrics
	for i := len(aggs) - 1; i >= 0; i-- {
		if !aggs[i].isBucket() {
			continue
		}
		bucket := aggs[i].request(w, aggs)
		if order := aggs[i].orderedBy(aggs); order != nil {
			// A metric that buckets are ordered by is asked for on their level too.
			if inner[order.ID] == nil {
				inner[order.ID] = order.request(w, nil)
			}
		}
		bucket["aggs"] = inner
		inner = dsl{aggs[i].ID: bucket}
	}
	return dsl{
		"size": 0, "track_total_hits": true, "query": query, "aggs": inner, "stored_fields": []string{"*"}, "script_fields": dsl{},
		"docvalue_fields": []dsl{{"field": timeField, "format": "date_time"}}, "_source": dsl{"excludes": []string{}},
	}, nil
}

// query joins the object's query and the time, as Kibana's buildEsQuery does.
func (s *SearchSource) query(w window) (dsl, error) {
	filter, _, err := translateKQL(s.Query.Query)
	if err != nil {
		return nil, err
	}
	at := dsl{"gte": w.from.UTC().Format(time.RFC3339Nano), "lte": w.to.UTC().Format(time.RFC3339Nano), "format": "strict_date_optional_time"}
	return dsl{"bool": dsl{
		"must": []dsl{}, "filter": []dsl{filter, {"range": dsl{timeField: at}}}, "should": []dsl{}, "must_not": []dsl{},
	}}, nil
}

// request is the aggregation in the query DSL; all are those that a bucket may be ordered by.
func (a *Agg) request(w window, all []Agg) dsl {
	switch p := a.Params.(type) {
	case *MetricAggParams:
		return dsl{a.Type: dsl{"field": p.Field}}
	case *PercentilesParams:
		return dsl{"percentiles": dsl{"field": p.Field, "percents": p.Percents, "keyed": false}}
	case *DateHistogramParams:
		return dsl{"date_histogram": dateHistogram(w)}
	case *TermsParams:
		order := "_count"
		if by := a.orderedBy(all); by != nil {
			order = by.ID
		}
		body := dsl{"field": p.Field, "size": p.Size, "order": dsl{order: p.Order}}
		if p.MissingBucket {
			body["missing"] = missingKey
		}
		return dsl{"terms": body}
	}
	panic(fmt.Sprintf("aggregation %s is none that is asked for", a.Type))
}

// orderedBy is the metric that the bucket is ordered by; nil: none, or the count, which needs none.
func (a *Agg) orderedBy(all []Agg) *Agg {
	p, ok := a.Params.(*TermsParams)
	if !ok {
		return nil
	}
	for i := range all {
		if all[i].ID == p.OrderBy && all[i].Type != "count" {
			return &all[i]
		}
	}
	return nil
}

// dateHistogram has the interval that auto means: at most a hundred bars.
func dateHistogram(w window) dsl {
	interval := "1d"
	for _, i := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, time.Minute, 10 * time.Minute, time.Hour} {
		if w.to.Sub(w.from)/i <= 100 {
			interval = fmt.Sprintf("%ds", int(i.Seconds()))
			break
		}
	}
	return dsl{"field": timeField, "fixed_interval": interval, "time_zone": "UTC", "min_doc_count": 1}
}

// TestRequest shows the request of one table whole.
func TestRequest(t *testing.T) {
	v := visualization{id: "v", kind: visTable, query: "a:1", aggs: []Agg{
		metric("sum", "bytes", "bytes"), count("requests"), percentiles("ms", "ms", 50), terms("bucket", "b", "b", 5, false), terms("bucket", "c", "c", 2, true),
	}}.object().Attributes.(*Visualization)
	from := time.Date(2026, time.November, 22, 10, 0, 0, 0, time.UTC)
	body, err := v.searchBody(window{from, from.Add(time.Hour)})
	require.NoError(t, err)
	got, err := encode(body)
	require.NoError(t, err)
	assert.JSONEq(t, `{
	"size":0,"track_total_hits":true,"stored_fields":["*"],"script_fields":{},"_source":{"excludes":[]},
	"docvalue_fields":[{"field":"@timestamp","format":"date_time"}],
	"query":{"bool":{"must":[],"should":[],"must_not":[],"filter":[
		{"bool":{"should":[{"match":{"a":"1"}}],"minimum_should_match":1}},
		{"range":{"@timestamp":{"gte":"2026-11-22T10:00:00Z","lte":"2026-11-22T11:00:00Z","format":"strict_date_optional_time"}}}]}},
	"aggs":{"4":{"terms":{"field":"b","size":5,"order":{"1":"desc"}},"aggs":{
		"1":{"sum":{"field":"bytes"}},
		"5":{"terms":{"field":"c","size":2,"order":{"1":"desc"},"missing":"__missing__"},"aggs":{
			"1":{"sum":{"field":"bytes"}},"3":{"percentiles":{"field":"ms","percents":[50],"keyed":false}}}}}}}}`, string(got))
}
