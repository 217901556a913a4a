// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// What panels say instead of a value that isn't there.
const (
	noTraffic = "no such traffic"
	noEvent   = "none"
	noData    = "no data"
)

// The colors of states, by Grafana's names.
const (
	colorGood = "green"
	colorWarn = "orange"
	colorBad  = "red"
	colorNone = "text"
)

// step begins a color at a value.
type step struct {
	from  float64
	color string
}

// limits color values: base is below all steps.
func limits(base string, steps ...step) cog.Builder[dashboard.ThresholdsConfig] {
	all := []dashboard.Threshold{{Color: base}}
	for _, s := range steps {
		all = append(all, dashboard.Threshold{Value: new(s.from), Color: s.color})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(all)
}

// graph draws lines over time, half a board wide.
func graph(title, unit, good string, targets ...target) *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().Title(title).Description(good).Unit(unit).NoValue(noTraffic).Span(12).Height(8).
		LineWidth(1).FillOpacity(10).ShowPoints(common.VisibilityModeAuto).SpanNulls(common.BoolOrFloat64{Bool: new(false)}).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).
			ShowLegend(true).Calcs([]string{"mean", "max"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for _, t := range targets {
		b = b.WithTarget(t)
	}
	return b
}

// share is a graph of a ratio from 0 to 1.
func share(title, good string, targets ...target) *timeseries.PanelBuilder {
	return graph(title, "percentunit", good, targets...).Max(1).AxisSoftMin(0)
}

// stacked is a graph whose lines make up a whole.
func stacked(title, unit, good string, targets ...target) *timeseries.PanelBuilder {
	return graph(title, unit, good, targets...).Min(0).FillOpacity(40).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
}

// number shows the last value, an eighth of a board wide.
func number(title, unit, good string, targets ...target) *stat.PanelBuilder {
	b := stat.NewPanelBuilder().Title(title).Description(good).Unit(unit).NoValue(noTraffic).Span(4).Height(4).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}).Values(false).Fields("")).
		GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeValue).TextMode(common.BigValueTextModeAuto).
		Thresholds(limits(colorNone))
	for _, t := range targets {
		b = b.WithTarget(t)
	}
	return b
}

// bars compares the last values of series.
func bars(title, unit, good string, targets ...target) *bargauge.PanelBuilder {
	b := bargauge.NewPanelBuilder().Title(title).Description(good).Unit(unit).NoValue(noTraffic).Span(12).Height(8).Min(0).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}).Values(false).Fields("")).
		Orientation(common.VizOrientationHorizontal).DisplayMode(common.BarGaugeDisplayModeBasic).Thresholds(limits(colorNone))
	for _, t := range targets {
		b = b.WithTarget(t)
	}
	return b
}

// heat draws a histogram over time; values have the unit.
func heat(title, unit, good string, targets ...target) *heatmap.PanelBuilder {
	b := heatmap.NewPanelBuilder().Title(title).Description(good).Unit("short").NoValue(noTraffic).Span(12).Height(9).
		Calculate(false).YAxis(heatmap.NewYAxisConfigBuilder().Unit(unit)).
		FilterValues(heatmap.NewFilterValueRangeBuilder().Le(1e-9)). // an empty cell isn't drawn as a zero
		ShowLegend().ExemplarsColor("rgba(255,0,255,0.7)")
	for _, t := range targets {
		b = b.WithTarget(t)
	}
	return b
}

// column is a column of a table.
type column struct {
	field string // as the data source names it
	title string
	unit  string // "": text
	links []dashboard.DashboardLink
}

// grid is a table of columns, half a board wide; other fields are hidden.
func grid(title, unit, good string, columns []column, targets ...target) *table.PanelBuilder {
	b := table.NewPanelBuilder().Title(title).Description(good).Unit(unit).NoValue(noTraffic).Span(12).Height(9).Filterable(true)
	rename, order, include := map[string]any{}, map[string]any{}, []string{}
	for i, c := range columns {
		rename[c.field], order[c.field] = c.title, i
		include = append(include, c.field)
		var properties []dashboard.DynamicConfigValue
		if c.unit != "" {
			properties = append(properties, dashboard.DynamicConfigValue{Id: "unit", Value: c.unit})
		}
		if c.links != nil {
			properties = append(properties, dashboard.DynamicConfigValue{Id: "links", Value: c.links})
		}
		if properties != nil {
			b = b.OverrideByName(c.title, properties)
		}
	}
	b = b.WithTransformation(dashboard.DataTransformerConfig{Id: "filterFieldsByName", Options: map[string]any{"include": map[string]any{"names": include}}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]any{}, "renameByName": rename, "indexByName": order,
		}})
	for _, t := range targets {
		b = b.WithTarget(t)
	}
	return b
}
