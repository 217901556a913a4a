// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"fmt"
	"image"
	"time"
)

// Answer is what a data source answered to one query of a panel. What a field is for depends on the panel's kind; others are ignored.
type Answer struct {
	RefID string

	// Series are lines of a timeseries, classic buckets of a heatmap (named by le, cumulative over le), or values of a stat or bargauge,
	// of which the last that is a number counts.
	Series []Series

	// Cells are the native buckets of a heatmap.
	Cells []Cell

	// Exemplars are drawn as diamonds in a timeseries, where they lie within its axes.
	Exemplars []Point

	// Rows are those of a table, with columns named as the data source does: the panel's transformations choose, order and
	// rename them. In logs each row is a line, the cells one after the other, newest first.
	Rows *Table

	// Spans are those of a trace, in the order of drawing.
	Spans []Span
}

// Series is a line over time, or one point. NaN is a gap, and so is a time that is missing at the panel's step.
type Series struct {
	Name   string
	Times  []time.Time
	Values []float64
}

// Point is a value at a time.
type Point struct {
	Time  time.Time
	Value float64
}

// Cell is how many values fell between Low and High in the step that ends at Time.
type Cell struct {
	Time             time.Time
	Low, High, Count float64
}

// Table has cells of string, float64, time.Time or nil.
type Table struct {
	Columns []string
	Cells   [][]any // by row
}

// Span is one of a trace.
type Span struct {
	Service, Name string
	Depth         int // 0 is the root
	Start         time.Time
	Duration      time.Duration
	Failed        bool
}

// Drawn is what was drawn of one panel.
type Drawn struct {
	ID    uint32
	Title string
	Kind  string          // as Grafana names it
	Box   image.Rectangle // in the picture
	Plot  image.Rectangle // within the axes; empty where there are none

	// Empty says that the panel's text for "no value" was drawn, which is then the only one of Texts.
	Empty bool

	Series    int       // lines, or values of a stat or bargauge, or buckets of a heatmap
	Unnamed   int       // of Series: those that the legend, or the panel, had no room to name
	Points    int       // values of lines, or cells of a heatmap
	Exemplars int       // diamonds
	YMin      float64   // the axis of a timeseries, or the edges of a heatmap's outermost buckets, which may be infinite
	YMax      float64   //
	From, To  time.Time // the axis of time
	Columns   []string  // the head of a table
	Rows      int       // rows, log lines or spans
	More      int       // rows that had no room
	Texts     []string  // the values of a stat or bargauge as they are drawn, or the text for "no value"
}

func (a *Answer) validate() error {
	for i := range a.Series {
		if s := &a.Series[i]; len(s.Times) != len(s.Values) {
			return fmt.Errorf("series %q: %d times for %d values", s.Name, len(s.Times), len(s.Values))
		}
	}
	if a.Rows == nil {
		return nil
	}
	for i, row := range a.Rows.Cells {
		if len(row) != len(a.Rows.Columns) {
			return fmt.Errorf("row %d: %d cells for %d columns", i, len(row), len(a.Rows.Columns))
		}
	}
	return nil
}
