// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"fmt"
	"regexp"

	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// Query is one query of a panel or of a variable.
type Query struct {
	Dashboard string // uid
	Panel     string // title; empty for a variable
	PanelID   uint32 // 0 for a variable
	Variable  string // name; empty for a panel
	RefID     string // of a panel's query

	// One of the following is set. Grafana's variables in them are not expanded.

	// PromQL is an expression. That of a variable gives one element for each value.
	PromQL string
	// Heatmap says that the expression's elements are classic buckets.
	Heatmap bool
	// Instant says that the expression is evaluated once, at the end of the range.
	Instant bool
	// Legend is the template of a series' name.
	Legend string

	// Elasticsearch is a query of documents.
	Elasticsearch *elasticsearch.Dataquery
	// Field is one whose values are a variable's, from Elasticsearch.
	Field string

	// Jaeger is a query of traces.
	Jaeger variants.UnknownDataquery
}

// String says where the query is.
func (q *Query) String() string {
	if q.Variable != "" {
		return q.Dashboard + " $" + q.Variable
	}
	return fmt.Sprintf("%s %q %s", q.Dashboard, q.Panel, q.RefID)
}

// Panels returns the panels of a dashboard, also those in folded rows.
func Panels(d *dashboard.Dashboard) []*dashboard.Panel {
	var all []*dashboard.Panel
	for i := range d.Panels {
		if p := d.Panels[i].Panel; p != nil {
			all = append(all, p)
		}
		if row := d.Panels[i].RowPanel; row != nil {
			for j := range row.Panels {
				all = append(all, &row.Panels[j])
			}
		}
	}
	return all
}

// Queries lists every query of every panel and variable of the dashboards, in their order. It returns an error for a query of a kind that
// it doesn't know.
func Queries() ([]Query, error) {
	built, err := Dashboards()
	if err != nil {
		return nil, err
	}
	var all []Query
	for i := range built {
		d := &built[i]
		for j := range d.Templating.List {
			q, ok, err := ofVariable(&d.Templating.List[j])
			if err != nil {
				return nil, fmt.Errorf("dashboard %s: %w", *d.Uid, err)
			}
			if q.Dashboard = *d.Uid; ok {
				all = append(all, q)
			}
		}
		for _, p := range Panels(d) {
			for _, t := range p.Targets {
				q := Query{Dashboard: *d.Uid, Panel: *p.Title, PanelID: *p.Id}
				if err := q.of(t); err != nil {
					return nil, fmt.Errorf("dashboard %s, panel %q: %w", *d.Uid, *p.Title, err)
				}
				all = append(all, q)
			}
		}
	}
	return all, nil
}

func (q *Query) of(t variants.Dataquery) error {
	switch t := t.(type) {
	case prometheus.Dataquery:
		q.RefID, q.PromQL = *t.RefId, t.Expr
		q.Instant = t.Instant != nil && *t.Instant
		q.Heatmap = t.Format != nil && *t.Format == prometheus.PromQueryFormatHeatmap
		if t.LegendFormat != nil {
			q.Legend = *t.LegendFormat
		}
	case elasticsearch.Dataquery:
		q.RefID, q.Elasticsearch = *t.RefId, &t
	case variants.UnknownDataquery:
		q.RefID, _ = t["refId"].(string)
		q.Jaeger = t
	default:
		return fmt.Errorf("query of type %T", t)
	}
	return nil
}

// The queries of variables: what Grafana's plugins for Prometheus and Elasticsearch take.
var (
	labelValues = regexp.MustCompile(`^label_values\((.+), *(\w+)\)$`)
	fieldValues = regexp.MustCompile(`^\{"find":"terms","field":"([^"]+)"`)
)

// ofVariable says whether the variable has a query, and which.
func ofVariable(v *dashboard.VariableModel) (Query, bool, error) {
	if v.Type != dashboard.VariableTypeQuery {
		return Query{}, false, nil
	}
	text := *v.Query.String
	if m := labelValues.FindStringSubmatch(text); m != nil {
		return Query{Variable: v.Name, PromQL: fmt.Sprintf("count by (%s) (%s)", m[2], m[1]), Instant: true}, true, nil
	}
	if m := fieldValues.FindStringSubmatch(text); m != nil {
		return Query{Variable: v.Name, Field: m[1]}, true, nil
	}
	return Query{}, false, fmt.Errorf("variable %s: query %q of no known form", v.Name, text)
}
