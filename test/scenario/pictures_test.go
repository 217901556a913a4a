// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards/picture"
)

// update writes what a rehearsal shows into the checkout: the pictures in docs/dashboards, and dashboards/selfmetrics.txt.
var update = flag.Bool("update", false, "write docs/dashboards and dashboards/selfmetrics.txt")

// keep writes a file to where the docs show it, with -update, and else only sees that one is there.
func keep(t *testing.T, name string, content []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "dashboards", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, content, 0o644))
	}
	assert.FileExists(t, path, "run this test with -update")
}

// holds compares a drawn panel with what the data source answered.
func holds(t *testing.T, d *picture.Drawn, answers []picture.Answer, from, to time.Time) {
	t.Helper()
	series, rows, points := 0, 0, 0
	low, high := math.Inf(1), math.Inf(-1)
	for i := range answers {
		a := &answers[i]
		if a.Rows != nil {
			rows += len(a.Rows.Cells)
		}
		rows += len(a.Spans)
		for j := range a.Series {
			n := 0
			for k, v := range a.Series[j].Values {
				at := a.Series[j].Times[k]
				if !math.IsNaN(v) && !math.IsInf(v, 0) && !at.Before(from) && !at.After(to) {
					n++
					low, high = min(low, v), max(high, v)
				}
			}
			points += n
			if n > 0 {
				series++
			}
		}
	}
	switch d.Kind {
	case "timeseries":
		assert.Equal(t, series, d.Series, "%s: lines", d.Title)
		assert.Equal(t, points, d.Points, "%s: points", d.Title)
		assert.Equal(t, series == 0, d.Empty, "%s: empty", d.Title)
		if series > 0 {
			assert.WithinDuration(t, from, d.From, time.Second, "%s: axis of time", d.Title)
			assert.WithinDuration(t, to, d.To, time.Second, "%s: axis of time", d.Title)
			assert.GreaterOrEqual(t, d.YMax, high-1e-9*math.Abs(high), "%s: axis of values", d.Title)
			assert.LessOrEqual(t, d.YMin, low+1e-9*math.Abs(low), "%s: axis of values", d.Title)
		}
	case "stat", "bargauge":
		assert.Equal(t, series == 0, d.Empty, "%s: empty", d.Title)
		if series > 0 {
			assert.Equal(t, series, d.Series, "%s: values", d.Title)
		}
	case "table", "logs", "traces":
		assert.Equal(t, rows, d.Rows+d.More, "%s: rows", d.Title)
		assert.Equal(t, rows == 0, d.Empty, "%s: empty", d.Title)
	case "heatmap":
		if !d.Empty {
			assert.Positive(t, d.Points, "%s: cells", d.Title)
		}
	default:
		assert.Fail(t, "a panel of no known kind", d.Kind)
	}
}
