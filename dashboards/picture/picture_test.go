// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards"
	"github.com/modtap/modtap/dashboards/picture"
)

const largest = 500_000 // bytes of a file in the repository

// draw draws and reads what was drawn; it keeps the file where PICTURES says, so that a person can look at it.
func draw(t testing.TB, name string, d *dashboard.Dashboard, answers map[uint32][]picture.Answer) ([]picture.Drawn, image.Image) {
	t.Helper()
	var out bytes.Buffer
	drawn, err := picture.Draw(&out, d, answers, from, to)
	require.NoError(t, err)
	require.Less(t, out.Len(), largest)
	if directory := os.Getenv("PICTURES"); directory != "" {
		require.NoError(t, os.WriteFile(filepath.Join(directory, name+".png"), out.Bytes(), 0o600))
	}
	read, err := png.Decode(&out)
	require.NoError(t, err)
	return drawn, read
}

// TestCommitted: each committed dashboard's picture has all panels, and each of them tells what was answered.
func TestCommitted(t *testing.T) {
	for uid, d := range committed(t) {
		t.Run(uid, func(t *testing.T) {
			answers := answersOf(d)
			drawn, read := draw(t, uid, d, answers)
			assert.Equal(t, 1600, read.Bounds().Dx())
			panels := dashboards.Panels(d)
			require.Len(t, drawn, len(panels))
			bare, empty := draw(t, uid+"-empty", d, nil)
			boxes := map[uint32]image.Rectangle{}
			for _, b := range bare {
				boxes[b.ID] = b.Box
				assert.True(t, b.Empty, b.Title)
				assert.Zero(t, colored(empty, b.Box), "%s: color without an answer", b.Title)
			}
			for i := range drawn {
				compare(t, &drawn[i], panels[i], answers[drawn[i].ID])
				assert.True(t, drawn[i].Box.In(read.Bounds()), drawn[i].Title)
				for j := range drawn[:i] {
					assert.False(t, drawn[i].Box.Overlaps(drawn[j].Box), "%s over %s", drawn[i].Title, drawn[j].Title)
				}
				looks(t, &drawn[i], read)
			}
		})
	}
}

// compare holds what was drawn of a panel against its answers.
func compare(t *testing.T, got *picture.Drawn, p *dashboard.Panel, answers []picture.Answer) {
	t.Helper()
	series, points, rows, low, high := measure(got.Kind, answers)
	assert.Equal(t, *p.Title, got.Title)
	assert.Equal(t, p.Type, got.Kind)
	if got.Empty {
		assert.Zero(t, series+rows, got.Title)
		assert.Equal(t, []string{*p.FieldConfig.Defaults.NoValue}, got.Texts, got.Title)
		return
	}
	assert.Positive(t, series+rows, got.Title)
	assert.Equal(t, rows, got.Rows+got.More, got.Title)
	switch got.Kind {
	case "timeseries":
		assert.Equal(t, series, got.Series, got.Title)
		assert.Equal(t, points, got.Points, got.Title)
		assert.LessOrEqual(t, got.YMin, low, got.Title)
		assert.GreaterOrEqual(t, got.YMax, high, got.Title)
	case "heatmap":
		assert.Equal(t, points, got.Points, got.Title)
	case "stat", "bargauge":
		assert.Equal(t, series, got.Series, got.Title)
		assert.Len(t, got.Texts, series, got.Title)
	case "table":
		assert.NotContains(t, got.Columns, "Time")
		for _, o := range p.FieldConfig.Overrides {
			assert.Contains(t, got.Columns, o.Matcher.Options, got.Title)
		}
	}
	if got.Kind != "traces" {
		assert.Equal(t, from, got.From, got.Title)
		assert.Equal(t, to, got.To, got.Title)
	}
}

// measure counts answers without what isn't a number; low and high are of single values.
func measure(kind string, answers []picture.Answer) (series, points, rows int, low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, a := range answers {
		for i, s := range a.Series {
			if n := numbers(s.Values); n > 0 && kind != "heatmap" {
				series++
				points += n
			}
			for j, v := range s.Values {
				if !math.IsNaN(v) {
					low, high = min(low, v), max(high, v)
				}
				if kind == "heatmap" && v-nextLower(a.Series, i, j) > 0 {
					series, points = 1, points+1
				}
			}
		}
		for _, c := range a.Cells {
			if c.Count > 0 {
				series, points = 1, points+1
			}
		}
		if a.Rows != nil {
			rows += len(a.Rows.Cells)
		}
		rows += len(a.Spans)
	}
	return series, points, rows, low, high
}

func numbers(values []float64) (n int) {
	for _, v := range values {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

// nextLower is the value at the same step of the bucket below, whose number is the greatest less than this.
func nextLower(all []picture.Series, i, j int) float64 {
	below, value := math.Inf(-1), 0.0
	for _, s := range all {
		if le := number(s.Name); le < number(all[i].Name) && le > below {
			below, value = le, s.Values[j]
		}
	}
	return value
}

// looks says whether a panel with an answer has color in it, and its axes have lines between them.
func looks(t *testing.T, d *picture.Drawn, read image.Image) {
	t.Helper()
	assert.False(t, d.Plot.Overlaps(read.Bounds()) && !d.Plot.In(d.Box), "%s: plot beyond the panel", d.Title)
	switch d.Kind {
	case "timeseries", "heatmap", "traces":
		if !d.Empty {
			assert.Greater(t, colored(read, d.Plot), d.Plot.Dx()/4, d.Title)
		}
		if d.Series > 5 && d.Kind == "timeseries" { // the sixth line has its color yet
			violet := color.RGBA{0x8f, 0x3b, 0xb8, 0xff}
			assert.Positive(t, count(read, d.Plot, func(c color.RGBA) bool { return c == violet }), d.Title)
		}
	case "table", "logs":
		if !d.Empty {
			assert.Greater(t, dark(read, d.Box), 60*d.Rows, d.Title)
		}
	default:
		assert.Greater(t, dark(read, d.Box)+colored(read, d.Box), 100, d.Title)
	}
}

// colored counts points that aren't grey.
func colored(i image.Image, r image.Rectangle) int {
	return count(i, r, func(c color.RGBA) bool { return max(c.R, c.G, c.B)-min(c.R, c.G, c.B) > 40 })
}

func dark(i image.Image, r image.Rectangle) int {
	return count(i, r, func(c color.RGBA) bool { return max(c.R, c.G, c.B) < 128 })
}

func count(i image.Image, r image.Rectangle, is func(color.RGBA) bool) (n int) {
	p := i.(*image.Paletted)
	var counts [256]bool
	for j, c := range p.Palette {
		counts[j] = is(color.RGBAModel.Convert(c).(color.RGBA))
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if counts[p.ColorIndexAt(x, y)] {
				n++
			}
		}
	}
	return n
}

// TestPlace: a line is where its values are, and not where it has none.
func TestPlace(t *testing.T) {
	s := picture.Series{Name: "steps"}
	for at := from; !at.After(to); at = at.Add(step) {
		v := 25.0
		switch n := len(s.Values); {
		case n >= 36:
			v = 75
		case n > 18:
			v = math.NaN()
		}
		s.Times, s.Values = append(s.Times, at), append(s.Values, v)
	}
	d := single("timeseries", func(p *dashboard.Panel) {
		p.FieldConfig.Defaults.Min, p.FieldConfig.Defaults.Max = new(0.0), new(100.0)
		p.FieldConfig.Defaults.Custom = map[string]any{"lineWidth": 2}
	})
	drawn, read := draw(t, "place", d, map[uint32][]picture.Answer{1: {{Series: []picture.Series{s}}}})
	got := drawn[0]
	assert.Zero(t, got.YMin)
	assert.InDelta(t, 100, got.YMax, 1e-9)
	around := func(minutes, value float64) int {
		x := got.Plot.Min.X + int(float64(got.Plot.Dx())*minutes/to.Sub(from).Minutes())
		y := got.Plot.Max.Y - int(float64(got.Plot.Dy())*value/100)
		return colored(read, image.Rect(x-2, y-3, x+3, y+4))
	}
	for _, at := range []struct {
		minutes, value float64
		line           bool
	}{{2, 25, true}, {2, 75, false}, {4, 25, true}, {7, 25, false}, {7, 75, false}, {7, 50, false}, {10, 75, true}, {10, 25, false}} {
		assert.Equal(t, at.line, around(at.minutes, at.value) > 4, "%+v", at)
	}
}

// TestStacked: the axis covers the sums.
func TestStacked(t *testing.T) {
	d := single("timeseries", func(p *dashboard.Panel) {
		p.FieldConfig.Defaults.Custom = map[string]any{"fillOpacity": 40, "stacking": map[string]any{"mode": "normal"}}
	})
	times := []time.Time{from, from.Add(step)}
	drawn, _ := draw(t, "stacked", d, map[uint32][]picture.Answer{1: {{Series: []picture.Series{
		{Name: "a", Times: times, Values: []float64{30, 50}}, {Name: "b", Times: times, Values: []float64{40, 45}},
	}}}})
	assert.GreaterOrEqual(t, drawn[0].YMax, 95.0)
	assert.Less(t, drawn[0].YMax, 120.0)
	assert.Zero(t, drawn[0].YMin)
}

// TestStates: words and colors of mappings and thresholds are respected.
func TestStates(t *testing.T) {
	one := func(v float64) map[uint32][]picture.Answer {
		return map[uint32][]picture.Answer{1: {{Series: []picture.Series{{Times: []time.Time{to}, Values: []float64{v}}}}}}
	}
	red := func(c color.RGBA) bool { return c.R > 180 && c.G < 90 && c.B < 110 }
	green := func(c color.RGBA) bool { return c.G > 100 && c.R < 90 && c.B < 90 }
	d := single("stat", func(p *dashboard.Panel) {
		mapped := dashboard.NewValueMap()
		mapped.Options = map[string]dashboard.ValueMappingResult{"2": {Text: new("open"), Color: new("red")}}
		p.FieldConfig.Defaults.Mappings = []dashboard.ValueMapping{{ValueMap: mapped}}
		p.FieldConfig.Defaults.Thresholds = &dashboard.ThresholdsConfig{Steps: []dashboard.Threshold{{Color: "green"}, {Value: new(5.0), Color: "red"}}}
	})
	for _, c := range []struct {
		value      float64
		text       string
		red, green bool
	}{{2, "open", true, false}, {3, "3", false, true}, {7.5, "7.50", true, false}, {5, "5", true, false}} {
		drawn, read := draw(t, "states", d, one(c.value))
		assert.Equal(t, []string{c.text}, drawn[0].Texts)
		assert.Equal(t, c.red, count(read, drawn[0].Box, red) > 20, "%v", c)
		assert.Equal(t, c.green, count(read, drawn[0].Box, green) > 20, "%v", c)
	}
	drawn, _ := draw(t, "states", d, one(math.NaN()))
	assert.Equal(t, []string{"nothing here"}, drawn[0].Texts)
	assert.True(t, drawn[0].Empty)
}

// together puts the panels of dashboards into one, below each other, and numbers them from 1.
func together(all ...*dashboard.Dashboard) *dashboard.Dashboard {
	d := &dashboard.Dashboard{}
	y := uint32(0)
	for i, one := range all {
		p := one.Panels[0].Panel
		p.Id, p.GridPos.Y = new(uint32(i+1)), y
		y += p.GridPos.H
		d.Panels = append(d.Panels, dashboard.PanelOrRowPanel{Panel: p})
	}
	return d
}

// single is a dashboard of one panel of a kind.
func single(kind string, with func(*dashboard.Panel)) *dashboard.Dashboard {
	p := dashboard.Panel{
		Type: kind, Id: new(uint32(1)), Title: new("One"), GridPos: &dashboard.GridPos{W: 12, H: 8},
		FieldConfig: &dashboard.FieldConfigSource{Defaults: dashboard.FieldConfig{Unit: new("short"), NoValue: new("nothing here")}},
	}
	if with != nil {
		with(&p)
	}
	return &dashboard.Dashboard{Title: new("Test"), Panels: []dashboard.PanelOrRowPanel{{Panel: &p}}}
}
