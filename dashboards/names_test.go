// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards"
	"github.com/modtap/modtap/internal/signal"
)

var legendLabel = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)

// TestEmitted: code emits every metric and label that a query names.
func TestEmitted(t *testing.T) {
	emitted, err := dashboards.Emitted()
	require.NoError(t, err)
	n := 0
	for _, q := range queries(t) {
		if q.PromQL == "" {
			continue
		}
		n++
		expanded, err := dashboards.Expand(q.PromQL, dashboards.Everything("goproxy", "5m"))
		require.NoError(t, err, "%s", &q)
		e, err := dashboards.Read(expanded)
		require.NoError(t, err, "%s", &q)
		require.NotEmpty(t, e.Selectors, "%s", &q)
		known := []string{}
		for _, s := range e.Selectors {
			m, ok := emitted[s.Metric]
			assert.True(t, ok, "%s: no code emits %s", &q, s.Metric)
			known = append(known, m.Labels...)
			for _, label := range s.Labels {
				assert.Contains(t, m.Labels, label, "%s: %s has no such label", &q, s.Metric)
			}
		}
		for _, m := range legendLabel.FindAllStringSubmatch(q.Legend, -1) {
			e.Grouped = append(e.Grouped, m[1])
		}
		for _, label := range e.Grouped {
			assert.Contains(t, known, label, "%s: no metric in it has the label", &q)
		}
	}
	assert.Greater(t, n, 100)
}

// TestShown: every declared metric is in some panel, or is listed with a reason.
func TestShown(t *testing.T) {
	emitted, err := dashboards.Emitted()
	require.NoError(t, err)
	shown := map[string]bool{}
	for _, q := range queries(t) {
		if q.PromQL == "" || q.Panel == "" {
			continue
		}
		expanded, err := dashboards.Expand(q.PromQL, dashboards.Everything("goproxy", "5m"))
		require.NoError(t, err)
		e, err := dashboards.Read(expanded)
		require.NoError(t, err)
		for _, s := range e.Selectors {
			shown[emitted[s.Metric].Declared] = true
		}
	}
	unshown := dashboards.Unshown()
	for _, m := range signal.Declared() {
		reason, listed := unshown[m.Name]
		assert.NotEqual(t, shown[m.Name], listed, "%s is shown, or listed as not shown", m.Name)
		assert.True(t, !listed || reason != "", m.Name)
	}
}

// TestBoundaries: the objectives' times are boundaries of classic buckets.
func TestBoundaries(t *testing.T) {
	for _, m := range signal.Declared() {
		if m.Name != "http.server.request.duration" {
			continue
		}
		for _, o := range dashboards.Objectives {
			var within float64
			require.NoError(t, json.Unmarshal([]byte(o.Within), &within))
			assert.Contains(t, m.Boundaries, within, o.Name)
			assert.Contains(t, o.Within, ".", "%s: Prometheus 2 and 3 write whole numbers differently", o.Name)
		}
		return
	}
	assert.Fail(t, "the metric isn't declared")
}

func TestRead(t *testing.T) {
	e, err := dashboards.Read(`sum by (a) (rate(x_total{b="1",c=~"2|3"}[5m])) / on (d) group_left (e) label_replace(y, "f", "$1", "g", "(.*)") or {__name__="z"}`)
	require.NoError(t, err)
	assert.Equal(t, []dashboards.Selector{{Metric: "x_total", Labels: []string{"b", "c"}}, {Metric: "y"}, {Metric: "z"}}, e.Selectors)
	assert.Equal(t, []string{"a", "d", "e", "g"}, e.Grouped)
	_, err = dashboards.Read(`sum(`)
	require.Error(t, err)
}

func TestExpand(t *testing.T) {
	got, err := dashboards.Expand(`x{a="$a",b="${b:raw}"}[$__range]`, map[string]string{"a": "1", "b": "2", "__range": "5m"})
	require.NoError(t, err)
	assert.Equal(t, `x{a="1",b="2"}[5m]`, got)
	_, err = dashboards.Expand(`x{a="$a"}`, nil)
	assert.EqualError(t, err, `query "x{a=\"$a\"}": variables without a value: a`)
}

func FuzzRead(f *testing.F) {
	f.Add(`sum by (a) (rate(x_total{b="1"}[5m]))`)
	f.Add(`{__name__="z"} or label_join(y, "f", ",", "g")`)
	f.Fuzz(func(_ *testing.T, expression string) {
		_, _ = dashboards.Read(expression)
	})
}

// fields are the fields of the documents' index template, and those that Grafana adds.
func fields(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "exporters", "elasticexporter", "template.json"))
	require.NoError(t, err)
	var file struct {
		Template struct {
			Mappings map[string]any `json:"mappings"`
		} `json:"template"`
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	var all []string
	var walk func(prefix string, mapping map[string]any)
	walk = func(prefix string, mapping map[string]any) {
		properties, _ := mapping["properties"].(map[string]any)
		if properties == nil {
			all = append(all, strings.TrimSuffix(prefix, "."))
		}
		for name, inner := range properties {
			walk(prefix+name+".", inner.(map[string]any))
		}
	}
	walk("", file.Template.Mappings)
	require.Contains(t, all, "goproxy.module.path")
	return all
}

var luceneField = regexp.MustCompile(`(?:^|[( ])(?:_exists_:)?([a-z_@]+(?:\.[a-z_]+)+):?`)

// TestFields: every field that a query of documents names is in the index template, with Lucene's and the aggregations'.
func TestFields(t *testing.T) {
	known, asked := fields(t), 0
	for _, q := range queries(t) {
		var named []string
		if q.Field != "" {
			named = append(named, q.Field)
		}
		if e := q.Elasticsearch; e != nil {
			for _, m := range luceneField.FindAllStringSubmatch(*e.Query, -1) {
				named = append(named, m[1])
			}
			raw, err := json.Marshal(struct{ A, B any }{e.BucketAggs, e.Metrics})
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(`"field":"([^"]+)"`).FindAllStringSubmatch(string(raw), -1) {
				named = append(named, m[1])
			}
			assert.Greater(t, len(named), 1, "%s", &q)
		}
		for _, field := range named {
			asked++
			assert.True(t, slices.Contains(known, field), "%s: the template has no field %s", &q, field)
		}
	}
	assert.Greater(t, asked, 50)
}
