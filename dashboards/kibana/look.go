// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

// largeNumbers is the look of a visMetric.
func largeNumbers() *MetricParams {
	return &MetricParams{
		AddTooltip: true, Type: visMetric,
		Metric: MetricStyle{
			ColorSchema: "Green to Red", MetricColorMode: "None", ColorsRange: []ColorRange{{From: 0, To: 10_000}}, Labels: Show{Show: true},
			Style: MetricNumbers{BgFill: "#000", FontSize: 32},
		},
	}
}

// chart is the look of bars and lines over time, with one series a metric.
func chart(kind, mode string, aggs []Agg) *ChartParams {
	params := &ChartParams{
		Type:       kind,
		AddTooltip: true, AddLegend: true, LegendPosition: "right",
		CategoryAxes: []CategoryAxis{{
			ID: "CategoryAxis-1", Type: "category", Position: "bottom", Show: true, Scale: Scale{Type: "linear"},
			Labels: AxisLabels{Show: true, Filter: true, Truncate: 100},
		}},
		SeriesParams:  []SeriesParam{},
		Times:         []struct{}{},
		ThresholdLine: ThresholdLine{Value: 10, Width: 1, Style: "full", Color: "#E7664C"},
	}
	unit := ""
	for _, agg := range aggs {
		if agg.isBucket() {
			continue
		}
		if unit == "" {
			unit = agg.label()
		}
		params.SeriesParams = append(params.SeriesParams, SeriesParam{
			Show: true, Type: kind, Mode: mode, Data: SeriesData{ID: agg.ID, Label: agg.label()}, ValueAxis: "ValueAxis-1",
			DrawLinesBetweenPoints: true, LineWidth: 2, ShowCircles: true, Interpolate: "linear",
		})
	}
	params.ValueAxes = []ValueAxis{{
		ID: "ValueAxis-1", Name: "LeftAxis-1", Type: "value", Position: "left", Show: true, Scale: Scale{Type: "linear", Mode: "normal"},
		Labels: AxisLabels{Show: true, Truncate: 100}, Title: AxisTitle{Text: unit},
	}}
	return params
}
