// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards/picture"
)

// prometheus asks a real one over a range.
type prometheus struct {
	url      string
	from, to time.Time
	step     time.Duration
}

// element is one series of an answer.
type element struct {
	Metric     map[string]string `json:"metric"`
	Value      pair              `json:"value"`
	Values     []pair            `json:"values"`
	Histograms []histogramAt     `json:"histograms"`
}

// pair is a time and a value, which JSON has as text.
type pair struct {
	at    time.Time
	value float64
	known bool
}

func (p *pair) UnmarshalJSON(raw []byte) error {
	var at float64
	var value string
	if err := json.Unmarshal(raw, &[]any{&at, &value}); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(value, 64)
	p.at, p.value, p.known = seconds(at), v, true
	return err
}

// histogramAt is a native histogram.
type histogramAt struct {
	at      time.Time
	buckets [][4]json.Number
}

func (h *histogramAt) UnmarshalJSON(raw []byte) error {
	var at float64
	var body struct {
		Buckets [][]any `json:"buckets"`
	}
	if err := json.Unmarshal(raw, &[]any{&at, &body}); err != nil {
		return err
	}
	h.at = seconds(at)
	for _, b := range body.Buckets {
		var bucket [4]json.Number
		for i := 1; i < len(b) && i < len(bucket); i++ { // the first says which bounds belong to it
			text, _ := b[i].(string)
			bucket[i] = json.Number(text)
		}
		h.buckets = append(h.buckets, bucket)
	}
	return nil
}

func seconds(at float64) time.Time { return time.UnixMilli(int64(at * 1000)) }

// evaluate asks for an expression, at the end of the range or over it.
func (p *prometheus) evaluate(t *testing.T, expression string, instant bool) []element {
	t.Helper()
	stamp := func(at time.Time) string { return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64) }
	path, form := "/api/v1/query_range", url.Values{"query": {expression}, "start": {stamp(p.from)}, "end": {stamp(p.to)}, "step": {p.step.String()}}
	if instant {
		path, form = "/api/v1/query", url.Values{"query": {expression}, "time": {stamp(p.to)}}
	}
	var answer struct {
		Data struct {
			ResultType string          `json:"resultType"`
			Result     json.RawMessage `json:"result"`
		} `json:"data"`
	}
	callJSON(t, http.MethodPost, p.url+path, "application/x-www-form-urlencoded", form.Encode(), &answer)
	var elements []element
	if answer.Data.ResultType == "scalar" {
		var one pair
		require.NoError(t, json.Unmarshal(answer.Data.Result, &one))
		return []element{{Value: one}}
	}
	require.NoError(t, json.Unmarshal(answer.Data.Result, &elements))
	return elements
}

var legendLabel = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)

// named is a series' name by a legend's template.
func named(legend string, labels map[string]string) string {
	if legend == "" {
		var parts []string
		for _, label := range slices.Sorted(maps.Keys(labels)) {
			parts = append(parts, label+"="+labels[label])
		}
		return strings.Join(parts, " ")
	}
	return legendLabel.ReplaceAllStringFunc(legend, func(match string) string { return labels[legendLabel.FindStringSubmatch(match)[1]] })
}

// answerOf makes of a result what a panel shows.
func answerOf(legend string, elements []element) picture.Answer {
	a := picture.Answer{Rows: tableOf(elements)}
	for i := range elements {
		e := &elements[i]
		s := picture.Series{Name: named(legend, e.Metric)}
		points := e.Values
		if e.Value.known {
			points = append(points, e.Value)
		}
		for _, p := range points {
			s.Times, s.Values = append(s.Times, p.at), append(s.Values, p.value)
		}
		if len(points) > 0 {
			a.Series = append(a.Series, s)
		}
		for _, h := range e.Histograms {
			for _, b := range h.buckets {
				a.Cells = append(a.Cells, picture.Cell{Time: h.at, Low: float(b[1]), High: float(b[2]), Count: float(b[3])})
			}
		}
	}
	return a
}

func float(n json.Number) float64 {
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// tableOf is an instant vector as a table: a column for each label, and Value.
func tableOf(elements []element) *picture.Table {
	labels := map[string]bool{}
	for i := range elements {
		for label := range elements[i].Metric {
			labels[label] = true
		}
	}
	table := &picture.Table{Columns: append(slices.Sorted(maps.Keys(labels)), "Value")}
	for i := range elements {
		row := make([]any, len(table.Columns))
		for c, label := range table.Columns[:len(row)-1] {
			row[c] = elements[i].Metric[label]
		}
		row[len(row)-1] = elements[i].Value.value
		table.Cells = append(table.Cells, row)
	}
	return table
}

// finite says whether an answer has a value that can be shown.
func finite(a *picture.Answer) bool {
	for i := range a.Series {
		if slices.ContainsFunc(a.Series[i].Values, func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }) {
			return true
		}
	}
	return len(a.Cells) > 0
}
