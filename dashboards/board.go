// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// columns is how wide a board is.
const columns = 24

// tag is on all boards; they link to each other by it.
const tag = "modtap"

type panel = cog.Builder[dashboard.Panel]

// section is a row's title and the panels below it. A closed one is folded, so that its queries aren't run.
type section struct {
	title  string
	closed bool
	panels []panel
}

// board is a dashboard in the making.
type board struct {
	uid, title, answers string // answers: the question that it answers
	since               string // beginning of its range at first
	variables           []variable
	sections            []section
}

// build lays the panels out from left to right and numbers them.
func (b *board) build() (dashboard.Dashboard, error) {
	since := b.since
	if since == "" {
		since = "now-6h"
	}
	// Links to the others keep the time range and what is selected.
	others := dashboard.NewDashboardLinkBuilder("Modtap").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{tag}).
		AsDropdown(true).IncludeVars(true).KeepTime(true)
	built, err := dashboard.NewDashboardBuilder("Modtap / "+b.title).Uid(b.uid).Description(b.answers).Tags([]string{tag, "goproxy"}).
		Time(since, "now").Refresh("1m").Timezone(common.TimeZoneBrowser).Tooltip(dashboard.DashboardCursorSyncCrosshair).Editable().
		Variables(b.variables).Link(others).Build()
	if err != nil {
		return dashboard.Dashboard{}, fmt.Errorf("dashboard %s: %w", b.uid, err)
	}
	built.Links[0].Placement = nil // in sight, not in a menu
	var id, y uint32
	next := func() *uint32 { id++; return new(id) }
	for _, s := range b.sections {
		row := dashboard.NewRowPanel()
		row.Title, row.Collapsed, row.Id = &s.title, s.closed, *next()
		row.GridPos = &dashboard.GridPos{X: 0, Y: y, W: columns, H: 1}
		y++
		built.Panels = append(built.Panels, dashboard.PanelOrRowPanel{RowPanel: row})
		var x, height uint32
		for _, p := range s.panels {
			one, err := p.Build()
			if err != nil {
				return dashboard.Dashboard{}, fmt.Errorf("dashboard %s, %q: %w", b.uid, s.title, err)
			}
			if x+one.GridPos.W > columns {
				x, y, height = 0, y+height, 0
			}
			one.Id, one.GridPos.X, one.GridPos.Y = next(), x, y
			x, height = x+one.GridPos.W, max(height, one.GridPos.H)
			refer(one.Targets)
			one.Datasource = sourceOf(one.Targets)
			if s.closed {
				row.Panels = append(row.Panels, one)
			} else {
				built.Panels = append(built.Panels, dashboard.PanelOrRowPanel{Panel: &one})
			}
		}
		y += height
	}
	return built, nil
}

// refer names the queries of a panel A, B, C and so on.
func refer(targets []variants.Dataquery) {
	for i, t := range targets {
		id := string(rune('A' + i))
		switch q := t.(type) {
		case prometheus.Dataquery:
			q.RefId = &id
			targets[i] = q
		case elasticsearch.Dataquery:
			q.RefId = &id
			targets[i] = q
		case variants.UnknownDataquery:
			q["refId"] = id
		}
	}
}

// sourceOf is the one data source of a panel's queries, nil if there are none.
func sourceOf(targets []variants.Dataquery) *common.DataSourceRef {
	if len(targets) == 0 {
		return nil
	}
	switch q := targets[0].(type) {
	case prometheus.Dataquery:
		return q.Datasource
	case elasticsearch.Dataquery:
		return q.Datasource
	}
	return new(source(typeJaeger))
}

// Dashboards builds all dashboards, the overview first.
func Dashboards() ([]dashboard.Dashboard, error) {
	boards := []board{overview(), cacheBoard(), upstreams(), modules(), builds(), logsBoard(), self()}
	built := make([]dashboard.Dashboard, 0, len(boards))
	for i := range boards {
		d, err := boards[i].build()
		if err != nil {
			return nil, err
		}
		built = append(built, d)
	}
	return built, nil
}

// Render returns the dashboards as files, by their names.
func Render() (map[string][]byte, error) {
	built, err := Dashboards()
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(built))
	for i := range built {
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(built[i]); err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", *built[i].Uid, err)
		}
		files[*built[i].Uid+".json"] = out.Bytes()
	}
	return files, nil
}
