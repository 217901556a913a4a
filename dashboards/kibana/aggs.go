// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Agg is one aggregation of a visualization: a metric, or a bucket that what follows is split by.
type Agg struct {
	// ID is a number, unique within the visualization, which is also the name of the aggregation in the request.
	ID      string `json:"id"`
	Enabled bool   `json:"enabled"`
	// Type is the aggregation, and decides of what type Params is.
	Type string `json:"type"`
	// Schema is what it is for: metric, bucket (a table's column), segment (the x axis) or group (the colour).
	Schema string `json:"schema"`
	// Params is a *CountParams, *MetricAggParams, *PercentilesParams, *TermsParams or *DateHistogramParams.
	Params any `json:"params"`
}

// CountParams are those of count.
type CountParams struct {
	CustomLabel string `json:"customLabel,omitempty"`
}

// MetricAggParams are those of sum, avg, min, max and cardinality.
type MetricAggParams struct {
	Field       string `json:"field"`
	CustomLabel string `json:"customLabel,omitempty"`
}

// PercentilesParams are those of percentiles.
type PercentilesParams struct {
	Field       string    `json:"field"`
	Percents    []float64 `json:"percents"`
	CustomLabel string    `json:"customLabel,omitempty"`
}

// TermsParams are those of terms.
type TermsParams struct {
	Field string `json:"field"`
	// OrderBy is the id of a metric, or _key.
	OrderBy            string `json:"orderBy"`
	Order              string `json:"order"`
	Size               int    `json:"size"`
	OtherBucket        bool   `json:"otherBucket"`
	OtherBucketLabel   string `json:"otherBucketLabel"`
	MissingBucket      bool   `json:"missingBucket"`
	MissingBucketLabel string `json:"missingBucketLabel"`
	CustomLabel        string `json:"customLabel,omitempty"`
}

// DateHistogramParams are those of date_histogram.
type DateHistogramParams struct {
	Field string `json:"field"`
	// Interval auto fits the time that is looked at.
	Interval       string   `json:"interval"`
	DropPartials   bool     `json:"drop_partials"`
	MinDocCount    int      `json:"min_doc_count"`
	ExtendedBounds struct{} `json:"extended_bounds"`
	CustomLabel    string   `json:"customLabel,omitempty"`
}

// UnmarshalJSON is strict, as that of [Object].
func (a *Agg) UnmarshalJSON(text []byte) error {
	type plain Agg
	var raw struct {
		plain

		Params json.RawMessage `json:"params"`
	}
	if err := decodeStrict(text, &raw); err != nil {
		return err
	}
	*a = Agg(raw.plain)
	switch a.Type {
	case "count":
		a.Params = new(CountParams)
	case "sum", "avg", "min", "max", "cardinality":
		a.Params = new(MetricAggParams)
	case "percentiles":
		a.Params = new(PercentilesParams)
	case "terms":
		a.Params = new(TermsParams)
	case "date_histogram":
		a.Params = new(DateHistogramParams)
	default:
		return fmt.Errorf("unknown aggregation %q", a.Type)
	}
	return decodeStrict(raw.Params, a.Params)
}

// isBucket tells a bucket from a metric.
func (a *Agg) isBucket() bool { return a.Schema != "metric" }

// label is what a chart's legend says of a metric.
func (a *Agg) label() string {
	switch p := a.Params.(type) {
	case *CountParams:
		return p.CustomLabel
	case *MetricAggParams:
		return p.CustomLabel
	case *PercentilesParams:
		return p.CustomLabel
	}
	return ""
}

func count(label string) Agg {
	return Agg{Type: "count", Schema: "metric", Params: &CountParams{CustomLabel: label}}
}

// metric is a sum, avg, min, max or cardinality.
func metric(kind, field, label string) Agg {
	return Agg{Type: kind, Schema: "metric", Params: &MetricAggParams{Field: field, CustomLabel: label}}
}

func percentiles(field, label string, percents ...float64) Agg {
	return Agg{Type: "percentiles", Schema: "metric", Params: &PercentilesParams{Field: field, Percents: percents, CustomLabel: label}}
}

// terms are the values of a field that have most of the first metric. orEmpty adds a bucket for documents without the field.
func terms(schema, field, label string, size int, orEmpty bool) Agg {
	return Agg{Type: "terms", Schema: schema, Params: &TermsParams{
		Field: field, OrderBy: "1", Order: "desc", Size: size, OtherBucketLabel: "Other",
		MissingBucket: orEmpty, MissingBucketLabel: "-", CustomLabel: label,
	}}
}

// ascending makes terms those that have least of the first metric.
func ascending(agg Agg) Agg {
	agg.Params.(*TermsParams).Order = "asc"
	return agg
}

// overTime is the x axis of a chart.
func overTime() Agg {
	return Agg{Type: "date_histogram", Schema: "segment", Params: &DateHistogramParams{
		Field: timeField, Interval: "auto", MinDocCount: 1, CustomLabel: "Time",
	}}
}

// numbered gives aggregations their ids, from 1 on in their order.
func numbered(aggs []Agg) []Agg {
	for i := range aggs {
		aggs[i].ID, aggs[i].Enabled = strconv.Itoa(i+1), true
	}
	return aggs
}
