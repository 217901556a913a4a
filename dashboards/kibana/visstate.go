// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"encoding/json"
	"fmt"
)

// The kinds of visualizations.
const (
	visTable     = "table"
	visMetric    = "metric"
	visHistogram = "histogram" // vertical bars
	visLine      = "line"
	visMarkdown  = "markdown"
)

// VisState is what a visualization draws.
type VisState struct {
	Title string `json:"title"`
	// Type decides of what type Params is.
	Type string `json:"type"`
	// Params is a *TableParams, *MetricParams, *ChartParams or *MarkdownParams.
	Params any   `json:"params"`
	Aggs   []Agg `json:"aggs"`
}

// UnmarshalJSON is strict, as that of [Object].
func (v *VisState) UnmarshalJSON(text []byte) error {
	type plain VisState
	var raw struct {
		plain

		Params json.RawMessage `json:"params"`
	}
	if err := decodeStrict(text, &raw); err != nil {
		return err
	}
	*v = VisState(raw.plain)
	switch v.Type {
	case visTable:
		v.Params = new(TableParams)
	case visMetric:
		v.Params = new(MetricParams)
	case visHistogram, visLine:
		v.Params = new(ChartParams)
	case visMarkdown:
		v.Params = new(MarkdownParams)
	default:
		return fmt.Errorf("unknown visualization %q", v.Type)
	}
	return decodeStrict(raw.Params, v.Params)
}

// TableParams are those of a table.
type TableParams struct {
	PerPage                int       `json:"perPage"`
	ShowPartialRows        bool      `json:"showPartialRows"`
	ShowMetricsAtAllLevels bool      `json:"showMetricsAtAllLevels"`
	Sort                   TableSort `json:"sort"`
	ShowTotal              bool      `json:"showTotal"`
	TotalFunc              string    `json:"totalFunc"`
	PercentageCol          string    `json:"percentageCol"`
}

// TableSort is the column that a table is sorted by; null: as the aggregations are.
type TableSort struct {
	ColumnIndex *int    `json:"columnIndex"`
	Direction   *string `json:"direction"`
}

// MarkdownParams are those of a text.
type MarkdownParams struct {
	FontSize          int    `json:"fontSize"`
	OpenLinksInNewTab bool   `json:"openLinksInNewTab"`
	Markdown          string `json:"markdown"`
}

// MetricParams are those of large numbers.
type MetricParams struct {
	AddTooltip bool        `json:"addTooltip"`
	AddLegend  bool        `json:"addLegend"`
	Type       string      `json:"type"`
	Metric     MetricStyle `json:"metric"`
}

// MetricStyle is how the numbers look.
type MetricStyle struct {
	PercentageMode  bool          `json:"percentageMode"`
	UseRanges       bool          `json:"useRanges"`
	ColorSchema     string        `json:"colorSchema"`
	MetricColorMode string        `json:"metricColorMode"`
	ColorsRange     []ColorRange  `json:"colorsRange"`
	Labels          Show          `json:"labels"`
	InvertColors    bool          `json:"invertColors"`
	Style           MetricNumbers `json:"style"`
}

// MetricNumbers is the style of the numbers themselves.
type MetricNumbers struct {
	BgFill     string `json:"bgFill"`
	BgColor    bool   `json:"bgColor"`
	LabelColor bool   `json:"labelColor"`
	SubText    string `json:"subText"`
	FontSize   int    `json:"fontSize"`
}

// ColorRange is a range of values that has a colour.
type ColorRange struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Show tells whether something is shown.
type Show struct {
	Show bool `json:"show"`
}

// ChartParams are those of bars and lines.
type ChartParams struct {
	Type           string         `json:"type"`
	Grid           Grid           `json:"grid"`
	CategoryAxes   []CategoryAxis `json:"categoryAxes"`
	ValueAxes      []ValueAxis    `json:"valueAxes"`
	SeriesParams   []SeriesParam  `json:"seriesParams"`
	AddTooltip     bool           `json:"addTooltip"`
	AddLegend      bool           `json:"addLegend"`
	LegendPosition string         `json:"legendPosition"`
	Times          []struct{}     `json:"times"`
	AddTimeMarker  bool           `json:"addTimeMarker"`
	Labels         Show           `json:"labels"`
	ThresholdLine  ThresholdLine  `json:"thresholdLine"`
}

// Grid is the lines behind a chart.
type Grid struct {
	CategoryLines bool `json:"categoryLines"`
}

// CategoryAxis is an x axis.
type CategoryAxis struct {
	ID       string     `json:"id"`
	Type     string     `json:"type"`
	Position string     `json:"position"`
	Show     bool       `json:"show"`
	Style    struct{}   `json:"style"`
	Scale    Scale      `json:"scale"`
	Labels   AxisLabels `json:"labels"`
	Title    AxisTitle  `json:"title"`
}

// ValueAxis is a y axis.
type ValueAxis struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Type     string     `json:"type"`
	Position string     `json:"position"`
	Show     bool       `json:"show"`
	Style    struct{}   `json:"style"`
	Scale    Scale      `json:"scale"`
	Labels   AxisLabels `json:"labels"`
	Title    AxisTitle  `json:"title"`
}

// Scale is that of an axis; only a y axis has a mode.
type Scale struct {
	Type string `json:"type"`
	Mode string `json:"mode,omitempty"`
}

// AxisLabels are those beside an axis.
type AxisLabels struct {
	Show     bool `json:"show"`
	Filter   bool `json:"filter"`
	Rotate   int  `json:"rotate"`
	Truncate int  `json:"truncate"`
}

// AxisTitle is the text beside an axis.
type AxisTitle struct {
	Text string `json:"text,omitempty"`
}

// SeriesParam is how a metric is drawn.
type SeriesParam struct {
	Show                   bool       `json:"show"`
	Type                   string     `json:"type"`
	Mode                   string     `json:"mode"`
	Data                   SeriesData `json:"data"`
	ValueAxis              string     `json:"valueAxis"`
	DrawLinesBetweenPoints bool       `json:"drawLinesBetweenPoints"`
	LineWidth              int        `json:"lineWidth"`
	ShowCircles            bool       `json:"showCircles"`
	Interpolate            string     `json:"interpolate"`
}

// SeriesData names the metric of a series.
type SeriesData struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}

// ThresholdLine is a line at a value.
type ThresholdLine struct {
	Show  bool   `json:"show"`
	Value int    `json:"value"`
	Width int    `json:"width"`
	Style string `json:"style"`
	Color string `json:"color"`
}
