// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards/picture"
)

func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(err)
	}
	return v
}

// kinds are those of the committed dashboards.
var kinds = []string{"timeseries", "heatmap", "stat", "bargauge", "table", "logs", "traces"}

// TestKinds: the list above is complete.
func TestKinds(t *testing.T) {
	found := map[string]bool{}
	for _, d := range committed(t) {
		for _, one := range d.Panels {
			if one.Panel != nil {
				found[one.Panel.Type] = true
			}
		}
	}
	for _, k := range kinds {
		assert.True(t, found[k], k)
		delete(found, k)
	}
	assert.Empty(t, found)
}

// TestExtremes: values of any size are within the axis, and a panel's room is kept whatever it has to tell.
func TestExtremes(t *testing.T) {
	times := []time.Time{from, from.Add(step), from.Add(2 * step), from.Add(20 * step)}
	for i, values := range [][]float64{
		{0, 0, 0, 0},
		{1e-12, 3e-12, 2e-12, 1e-12},
		{5e-324, 0, 5e-324, 0},
		{1e300, 1e290, 1e299, 1},
		{-math.MaxFloat64, math.MaxFloat64, 0, 1},
		{-5, -4, -3, -2},
		{1e15, 1e15 + 0.125, 1e15, 1e15},
		{math.Inf(1), 7, math.NaN(), math.Inf(-1)},
		{math.NaN(), math.NaN(), 3, math.NaN()},
	} {
		var all []*dashboard.Dashboard
		answers := map[uint32][]picture.Answer{}
		for _, unit := range []string{"short", "s", "percentunit"} {
			for _, mode := range []string{"none", "normal"} {
				all = append(all, single("timeseries", func(p *dashboard.Panel) {
					p.FieldConfig.Defaults.Unit = &unit
					p.FieldConfig.Defaults.Custom = map[string]any{"fillOpacity": 10, "stacking": map[string]any{"mode": mode}}
				}))
				answers[uint32(len(all))] = []picture.Answer{{Series: []picture.Series{{Name: "one", Times: times, Values: values}}}}
			}
		}
		drawn, read := draw(t, fmt.Sprint("extremes-", i), together(all...), answers)
		for _, got := range drawn {
			for _, v := range values {
				if !math.IsNaN(v) && !math.IsInf(v, 0) {
					assert.LessOrEqual(t, got.YMin, v, "%d %v", got.ID, values)
					assert.GreaterOrEqual(t, got.YMax, v, "%d %v", got.ID, values)
				}
			}
			assert.Less(t, got.YMin, got.YMax)
			assert.Positive(t, colored(read, got.Plot.Inset(-4)), "%d %v", got.ID, values)
		}
	}
}

// TestCrowd: what has no room is counted, and nothing is drawn beyond the panel.
func TestCrowd(t *testing.T) {
	long := strings.Repeat("a very long name of a series/", 60) + "\n\x00\xff\u202e"
	var a picture.Answer
	a.Rows = &picture.Table{Columns: []string{long, "b", long + "c"}}
	for i := range 60 {
		name := fmt.Sprint(i, long)
		a.Series = append(a.Series, picture.Series{Name: name, Times: []time.Time{from, to}, Values: []float64{float64(i), float64(60 - i)}})
		a.Rows.Cells = append(a.Rows.Cells, []any{name, 1e9 * float64(i), to})
		a.Spans = append(a.Spans, picture.Span{Service: name, Name: name, Depth: i, Start: from, Duration: time.Duration(i) * time.Hour})
	}
	for _, kind := range kinds {
		if kind == "heatmap" {
			continue // whose names are numbers
		}
		for _, w := range []uint32{2, 24} {
			for _, h := range []uint32{2, 8} {
				d := single(kind, func(p *dashboard.Panel) {
					p.GridPos.W, p.GridPos.H, p.Title = w, h, &long
				})
				drawn, read := draw(t, fmt.Sprintf("crowd-%s-%d-%d", kind, w, h), d, map[uint32][]picture.Answer{1: {a}})
				got := drawn[0]
				switch kind {
				case "timeseries":
					assert.Equal(t, 60, got.Series)
					assert.Positive(t, got.Unnamed)
				case "stat", "bargauge":
					assert.Equal(t, 60, got.Series)
					assert.Len(t, got.Texts, 60)
					assert.True(t, got.Unnamed > 0 || w == 24, "%s %d x %d", kind, w, h)
				default:
					assert.Equal(t, 60, got.Rows+got.More)
					assert.Positive(t, got.More)
				}
				right := read.Bounds()
				right.Min.X, right.Min.Y = got.Box.Max.X, got.Box.Min.Y
				below := read.Bounds()
				below.Min.Y = got.Box.Max.Y
				assert.Zero(t, dark(read, right)+colored(read, right)+dark(read, below)+colored(read, below), "%s %d x %d", kind, w, h)
			}
		}
	}
}

// TestFolded: a folded row is opened when it has something to show.
func TestFolded(t *testing.T) {
	d := single("stat", nil)
	folded := dashboard.NewRowPanel()
	folded.Collapsed, folded.Title = true, new("Folded")
	inner := *single("stat", nil).Panels[0].Panel
	inner.Id, inner.GridPos = new(uint32(7)), &dashboard.GridPos{Y: 40, W: 12, H: 4}
	folded.Panels = []dashboard.Panel{inner}
	d.Panels = append(d.Panels, dashboard.PanelOrRowPanel{RowPanel: folded})
	drawn, closed := draw(t, "folded", d, map[uint32][]picture.Answer{7: {{}}})
	assert.Len(t, drawn, 1)
	value := []picture.Series{{Times: []time.Time{to}, Values: []float64{1}}}
	drawn, open := draw(t, "unfolded", d, map[uint32][]picture.Answer{7: {{Series: value}}})
	assert.Len(t, drawn, 2)
	assert.Equal(t, closed.Bounds().Dy()+4*38, open.Bounds().Dy())
}

// TestBuckets: cells are what each bucket has more than those below, in order of their bounds.
func TestBuckets(t *testing.T) {
	times := []time.Time{from, from.Add(step)}
	d := single("heatmap", nil)
	series := []picture.Series{
		{Name: "+Inf", Times: times, Values: []float64{9, 9}},
		{Name: "10", Times: times, Values: []float64{9, 8}},
		{Name: "2.5", Times: times, Values: []float64{0, 8}},
	}
	drawn, _ := draw(t, "buckets", d, map[uint32][]picture.Answer{1: {{Series: series}}})
	assert.Equal(t, 3, drawn[0].Series)
	assert.Equal(t, 3, drawn[0].Points) // (2.5, 10] 9; (0, 2.5] 8; (10, +Inf] 1
	assert.Zero(t, drawn[0].YMin)
	assert.True(t, math.IsInf(drawn[0].YMax, 1))
	series[0].Name = "many"
	_, err := picture.Draw(io.Discard, d, map[uint32][]picture.Answer{1: {{Series: series}}}, from, to)
	assert.ErrorContains(t, err, `bucket "many"`)
}

// TestUnits: values are written as Grafana writes them.
func TestUnits(t *testing.T) {
	cases := []struct {
		unit  string
		value float64
		want  string
	}{
		{"short", 0, "0"},
		{"short", 12, "12"},
		{"short", 1234, "1.23 K"},
		{"short", -2500000, "-2.50 Mil"},
		{"short", 0.001234, "0.00123"},
		{"reqps", 12.34, "12.3 req/s"},
		{"reqps", 4321, "4.32K req/s"},
		{"Bps", 123456, "123 kB/s"},
		{"decbytes", 4.2e9, "4.20 GB"},
		{"bytes", 1 << 30, "1 GiB"},
		{"bytes", 1536, "1.50 KiB"},
		{"percentunit", 0.9987, "99.9%"},
		{"percentunit", -0.5, "-50%"},
		{"s", 0, "0 s"},
		{"s", 0.000012, "12 µs"},
		{"s", 0.25, "250 ms"},
		{"s", 90, "1.50 mins"},
		{"s", 14 * 86400, "2 weeks"},
		{"ns", 4.5e8, "450 ms"},
		{"µs", 1500, "1.50 ms"},
		{"currencyUSD", 3.2, "$3.20"},
		{"currencyUSD", -1200, "-$1.20K"},
		{"dateTimeAsIso", 1782900690000, "2026-07-01 10:11:30"},
		{"short", 1e40, "1e+22 Quint"},
		{"short", math.Inf(1), "+Inf"},
	}
	var all []*dashboard.Dashboard
	answers := map[uint32][]picture.Answer{}
	for _, c := range cases {
		all = append(all, single("stat", func(p *dashboard.Panel) {
			p.FieldConfig.Defaults.Unit, p.GridPos.H = &c.unit, 2
		}))
		answers[uint32(len(all))] = []picture.Answer{{Series: []picture.Series{{Times: []time.Time{to}, Values: []float64{c.value}}}}}
	}
	drawn, _ := draw(t, "units", together(all...), answers)
	for i, c := range cases {
		assert.Equal(t, []string{c.want}, drawn[i].Texts)
	}
}

var errDisk = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errDisk }

// TestRefused: what can't be drawn is an error, not a picture that tells less.
func TestRefused(t *testing.T) {
	uneven := picture.Answer{RefID: "A", Series: []picture.Series{{Name: "x", Times: []time.Time{from}}}}
	ragged := picture.Answer{RefID: "A", Rows: &picture.Table{Columns: []string{"a"}, Cells: [][]any{{1.0, 2.0}}}}
	table := picture.Answer{RefID: "A", Rows: &picture.Table{Columns: []string{"a"}, Cells: [][]any{{1.0}}}}
	unit := func(p *dashboard.Panel) { p.FieldConfig.Defaults.Unit = new("furlong") }
	for _, c := range []struct {
		name    string
		d       *dashboard.Dashboard
		answers map[uint32][]picture.Answer
		to      time.Time
		want    string
	}{
		{"time", single("stat", nil), nil, from, "range of time that is empty"},
		{"panel", single("stat", nil), map[uint32][]picture.Answer{9: nil}, to, "answer to panel 9, which isn't there"},
		{"uneven", single("stat", nil), map[uint32][]picture.Answer{1: {uneven}}, to, `answer to panel 1, query A: series "x": 1 times for 0 values`},
		{"ragged", single("table", nil), map[uint32][]picture.Answer{1: {ragged}}, to, "answer to panel 1, query A: row 0: 2 cells for 1 columns"},
		{"tables", single("table", nil), map[uint32][]picture.Answer{1: {table, table}}, to, `panel 1 "One": more than one table`},
		{"kind", single("piechart", nil), nil, to, `panel 1 "One": kind "piechart", which isn't known`},
		{"unit", single("stat", unit), nil, to, `panel 1 "One": unit "furlong", which isn't known`},
	} {
		_, err := picture.Draw(io.Discard, c.d, c.answers, from, c.to)
		require.EqualError(t, err, c.want, c.name)
	}
	_, err := picture.Draw(full{}, single("stat", nil), nil, from, to)
	assert.ErrorIs(t, err, errDisk)
}

// TestSame: the same answers give the same bytes, so that a picture in the repository changes only with what it shows.
func TestSame(t *testing.T) {
	d := committed(t)["modtap-modules"]
	var one, two bytes.Buffer
	for _, out := range []*bytes.Buffer{&one, &two} {
		_, err := picture.Draw(out, d, answersOf(d), from, to)
		require.NoError(t, err)
	}
	assert.True(t, bytes.Equal(one.Bytes(), two.Bytes()))
}

// FuzzDraw: no name and no value breaks a picture.
func FuzzDraw(f *testing.F) {
	f.Add(uint8(0), "name", 1.0, 2.0, int64(0))
	f.Add(uint8(1), "0.5", math.Inf(1), -1.0, int64(15))
	f.Add(uint8(2), "\x00\xff\n", math.MaxFloat64, -math.MaxFloat64, int64(-1))
	f.Add(uint8(3), strings.Repeat("ä", 2000), 5e-324, math.NaN(), int64(1e6))
	f.Add(uint8(4), "", 0.0, math.Copysign(0, -1), int64(7))
	f.Add(uint8(7), "e\u0301\u202e", 1e15, 1e15+0.125, int64(3e9))
	f.Fuzz(func(t *testing.T, kind uint8, name string, a, b float64, seconds int64) {
		then := from.Add(time.Duration(seconds%1e9) * time.Second)
		answer := picture.Answer{
			Series:    []picture.Series{{Name: name, Times: []time.Time{from, then, to}, Values: []float64{a, b, a}}},
			Cells:     []picture.Cell{{Time: then, Low: a, High: b, Count: a}, {Time: from, Low: b, High: a, Count: b}},
			Exemplars: []picture.Point{{Time: then, Value: b}},
			Rows:      &picture.Table{Columns: []string{name, "b"}, Cells: [][]any{{a, name}, {then, b}, {nil, name}}},
			Spans:     []picture.Span{{Service: name, Name: name, Depth: int(kind) - 9, Start: then, Duration: time.Duration(seconds)}, {Start: from}},
		}
		d := single(kinds[int(kind)%len(kinds)], func(p *dashboard.Panel) {
			p.Title, p.GridPos = &name, &dashboard.GridPos{W: 6, H: 6}
			p.FieldConfig.Defaults.Min = &b
		})
		if _, err := strconv.ParseFloat(name, 64); err != nil && d.Panels[0].Panel.Type == "heatmap" {
			answer.Series = nil
		}
		if math.IsNaN(b) || math.IsInf(b, 0) {
			d.Panels[0].Panel.FieldConfig.Defaults.Min = nil // a dashboard is JSON
		}
		drawn, err := picture.Paint(d, map[uint32][]picture.Answer{1: {answer}}, from, to)
		require.NoError(t, err)
		require.Len(t, drawn, 1)
		assert.False(t, math.IsNaN(drawn[0].YMin) || math.IsNaN(drawn[0].YMax))
	})
}
