// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards"
	"github.com/modtap/modtap/dashboards/picture"
)

// jaeger asks a real one as Grafana's data source does.
type jaeger struct {
	url      string
	from, to time.Time
}

// trace is one in Jaeger's JSON.
type trace struct {
	TraceID string `json:"traceID"`
	Spans   []struct {
		SpanID     string `json:"spanID"`
		Operation  string `json:"operationName"`
		StartTime  int64  `json:"startTime"`
		Duration   int64  `json:"duration"`
		ProcessID  string `json:"processID"`
		References []struct {
			SpanID string `json:"spanID"`
		} `json:"references"`
		Tags []struct {
			Key   string `json:"key"`
			Value any    `json:"value"`
		} `json:"tags"`
	} `json:"spans"`
	Processes map[string]struct {
		Service string `json:"serviceName"`
	} `json:"processes"`
}

func (j *jaeger) traces(t *testing.T, path string) []trace {
	t.Helper()
	var answer struct {
		Data []trace `json:"data"`
	}
	getJSON(t, j.url+path, &answer)
	return answer.Data
}

// evaluate runs a panel's query with the values of variables.
func (j *jaeger) evaluate(t *testing.T, q variants.UnknownDataquery, values map[string]string) (found int, a picture.Answer) {
	t.Helper()
	expanded := map[string]string{}
	for key, value := range q {
		if text, ok := value.(string); ok {
			var err error
			expanded[key], err = dashboards.Expand(text, values)
			require.NoError(t, err)
		}
	}
	if expanded["queryType"] == "search" {
		query := url.Values{
			"service": {expanded["service"]}, "limit": {fmt.Sprint(q["limit"])},
			"start": {strconv.FormatInt(j.from.UnixMicro(), 10)}, "end": {strconv.FormatInt(j.to.UnixMicro(), 10)},
		}
		if key, value, ok := strings.Cut(expanded["tags"], "="); ok {
			tags, err := json.Marshal(map[string]string{key: value})
			require.NoError(t, err)
			query.Set("tags", string(tags))
		}
		all := j.traces(t, "/api/traces?"+query.Encode())
		a.Rows = &picture.Table{Columns: []string{"traceID", "traceName", "startTime", "duration"}}
		for _, one := range all {
			a.Rows.Cells = append(a.Rows.Cells, one.row())
		}
		return len(all), a
	}
	require.NotEmpty(t, expanded["query"], "a query of no known kind: %v", q)
	all := j.traces(t, "/api/traces/"+expanded["query"])
	for _, one := range all {
		a.Spans = append(a.Spans, one.waterfall()...)
	}
	return len(a.Spans), a
}

// row is a trace in a table of traces.
func (one *trace) row() []any {
	first, last := one.Spans[0], int64(0)
	for _, s := range one.Spans {
		if s.StartTime < first.StartTime {
			first = s
		}
		last = max(last, s.StartTime+s.Duration)
	}
	name := one.Processes[first.ProcessID].Service + ": " + first.Operation
	return []any{one.TraceID, name, time.UnixMicro(first.StartTime), float64(last - first.StartTime)}
}

// waterfall lists a trace's spans, children below their parents, by time.
func (one *trace) waterfall() []picture.Span {
	children, ids := map[string][]int{}, map[string]bool{}
	for _, s := range one.Spans {
		ids[s.SpanID] = true
	}
	for i, s := range one.Spans {
		parent := ""
		if len(s.References) > 0 && ids[s.References[0].SpanID] {
			parent = s.References[0].SpanID
		}
		children[parent] = append(children[parent], i)
	}
	var all []picture.Span
	var walk func(parent string, depth int)
	walk = func(parent string, depth int) {
		below := children[parent]
		slices.SortFunc(below, func(a, b int) int { return cmp.Compare(one.Spans[a].StartTime, one.Spans[b].StartTime) })
		for _, i := range below {
			s := one.Spans[i]
			failed := slices.ContainsFunc(s.Tags, func(tag struct {
				Key   string `json:"key"`
				Value any    `json:"value"`
			},
			) bool {
				return tag.Key == "error" && tag.Value == true
			})
			all = append(all, picture.Span{
				Service: one.Processes[s.ProcessID].Service, Name: s.Operation, Depth: depth, Start: time.UnixMicro(s.StartTime),
				Duration: time.Duration(s.Duration) * time.Microsecond, Failed: failed,
			})
			walk(s.SpanID, depth+1)
		}
	}
	walk("", 0)
	return all
}
