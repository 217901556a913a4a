// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/modtap/modtap/dashboards"
	"github.com/modtap/modtap/dashboards/picture"
)

func TestMain(m *testing.M) {
	plugins.RegisterDefaultPlugins()
	goleak.VerifyTestMain(m)
}

// committed are the dashboards as Grafana reads them, by uid.
func committed(t testing.TB) map[string]*dashboard.Dashboard {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "grafana", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := map[string]*dashboard.Dashboard{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		d := new(dashboard.Dashboard)
		require.NoError(t, d.UnmarshalJSONStrict(raw), path)
		all[*d.Uid] = d
	}
	return all
}

var (
	from = time.Date(2026, 7, 1, 9, 58, 10, 0, time.UTC)
	to   = from.Add(12*time.Minute + 15*time.Second)
)

const step = 15 * time.Second

// words are what series of the dashboards are called.
var words = []string{
	"info", "mod", "zip", "list", "latest", "sumdb", "proxy.example.org not_found", "sum.example.org 99 %", "embedded", "egress",
	"bound of otlp_http/jaeger traces", "127.0.0.1:9464",
}

// sizes are plausible values by unit.
var sizes = map[string]float64{
	"s": 0.8, "ns": 4e8, "bytes": 3e7, "decbytes": 4e9, "Bps": 3e5, "reqps": 12, "percentunit": 0.95, "short": 40, "currencyUSD": 3.2,
}

// plausible makes answers up for a panel, none for some.
func plausible(p *dashboard.Panel, r *rand.Rand) []picture.Answer {
	unit := ""
	if p.FieldConfig.Defaults.Unit != nil {
		unit = *p.FieldConfig.Defaults.Unit
	}
	var all []picture.Answer
	for i := range p.Targets {
		a := picture.Answer{RefID: string(rune('A' + i))}
		switch p.Type {
		case "timeseries":
			if strings.HasPrefix(*p.Title, "Time-outs") {
				break
			}
			for range 1 + r.IntN(6)/len(p.Targets) {
				a.Series = append(a.Series, walk(words[r.IntN(len(words))], sizes[unit], r))
				if *p.Title == "Circuits" {
					circuit(a.Series[len(a.Series)-1].Values)
				}
			}
			if *p.Title == "Duration" {
				a.Exemplars = []picture.Point{{Time: from.Add(3 * time.Minute), Value: sizes[unit] / 2}, {Time: from, Value: 1e9}}
			}
		case "stat", "bargauge":
			if *p.Title == "Private leaks" || *p.Title == "Not in the ratio" {
				break
			}
			n := 1
			if p.Type == "bargauge" {
				n = 3
			}
			for j := range n {
				name := strings.TrimSuffix(words[j+i], " not_found")
				a.Series = append(a.Series, picture.Series{Name: name, Times: []time.Time{to}, Values: []float64{sizes[unit] * (1 - r.Float64()/2)}})
			}
		case "heatmap":
			if i := strings.Index(*p.Title, "native"); i >= 0 {
				a.Cells = native(r)
			} else {
				a.Series = classic(r)
			}
		case "table":
			a.Rows = rowsOf(p, r)
		case "logs":
			a.Rows = &picture.Table{Columns: []string{"@timestamp", "message"}}
			for j := range 200 {
				a.Rows.Cells = append(a.Rows.Cells, []any{to.Add(-time.Duration(j) * time.Second), fmt.Sprintf("GET /example.org/module%d/@v/v1.%d.0.zip 200 hit %d ms, 127.0.0.1, trace 4bf92f3577b34da6a3ce929d0e0e4736", j%7, j, 3+r.IntN(300))})
			}
		case "traces":
			a.Spans = spans(r)
		}
		all = append(all, a)
	}
	return all
}

// walk is a series that wanders about below a size, with two gaps: one of NaN, one of missing times.
func walk(name string, size float64, r *rand.Rand) picture.Series {
	s := picture.Series{Name: name}
	v := size * r.Float64()
	for t := from; !t.After(to); t = t.Add(step) {
		v = min(max(v+size*(r.Float64()-0.5)/8, 0), size)
		n := len(s.Values)
		if n == 30 && t.Sub(from) < 9*time.Minute {
			continue
		}
		s.Times, s.Values = append(s.Times, t), append(s.Values, v)
		if n > 14 && n < 18 {
			s.Values[n] = math.NaN()
		}
	}
	return s
}

func circuit(values []float64) {
	for i := range values {
		values[i] = float64(i / 10 % 3)
	}
}

// classic are cumulative buckets with two bands.
func classic(r *rand.Rand) []picture.Series {
	var all []picture.Series
	les := []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, math.Inf(1)}
	weights := []float64{0, 30, 60, 20, 5, 2, 0, 0, 3, 9, 3, 0, 0, 0, 0}
	for _, le := range les {
		all = append(all, picture.Series{Name: strings.Replace(strconv.FormatFloat(le, 'f', -1, 64), "Inf", "Inf", 1)})
	}
	for t := from; !t.After(to); t = t.Add(step) {
		sum := 0.0
		for i := range all {
			sum += math.Round(weights[i] * r.Float64())
			all[i].Times, all[i].Values = append(all[i].Times, t), append(all[i].Values, sum)
		}
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func native(r *rand.Rand) []picture.Cell {
	var all []picture.Cell
	for t := from; !t.After(to); t = t.Add(step) {
		for i := range 24 {
			low := 0.004 * math.Pow(2, float64(i)/4)
			all = append(all, picture.Cell{Time: t, Low: low, High: 0.004 * math.Pow(2, float64(i+1)/4), Count: math.Round(9 * r.Float64() * float64(24-i) / 24)})
		}
	}
	return all
}

// rowsOf are rows with the columns that the panel's transformation includes, in another order, and one that it hides.
func rowsOf(p *dashboard.Panel, r *rand.Rand) *picture.Table {
	t := &picture.Table{Columns: []string{"Time"}}
	names := p.Transformations[0].Options.(map[string]any)["include"].(map[string]any)["names"].([]any)
	for i := range names {
		t.Columns = append(t.Columns, names[len(names)-1-i].(string))
	}
	for i := range 14 {
		row := []any{to}
		for _, c := range t.Columns[1:] {
			row = append(row, cell(c, i, r))
		}
		t.Cells = append(t.Cells, row)
	}
	return t
}

func cell(column string, i int, r *rand.Rand) any {
	switch {
	case column == "startTime", column == "Max":
		return float64(to.Add(-time.Duration(i) * time.Minute).UnixMilli())
	case column == "Value", column == "Count", column == "duration", strings.HasPrefix(column, "Sum"), strings.Contains(column, "Average"):
		return float64(r.IntN(1000000) / (i*i + 1))
	case strings.Contains(column, "module"):
		return fmt.Sprintf("example.org/team/project%d/internal/library", i)
	case strings.Contains(column, "ID"), strings.Contains(column, ".id"):
		return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
	case strings.Contains(column, "error") && i%3 == 0:
		return nil
	}
	return words[(i+len(column))%len(words)]
}

func spans(r *rand.Rand) []picture.Span {
	all := []picture.Span{{Service: "goproxy", Name: "go build session", Start: from, Duration: 2 * time.Second}}
	for i := range 40 {
		start := from.Add(time.Duration(i) * 45 * time.Millisecond)
		all = append(all,
			picture.Span{Service: "goproxy", Name: "GET /{module}/@v/{version}.zip", Depth: 1, Start: start, Duration: time.Duration(20+r.IntN(160)) * time.Millisecond},
			picture.Span{Service: "proxy.example.org", Name: "GET", Depth: 2, Start: start.Add(2 * time.Millisecond), Duration: 17 * time.Millisecond, Failed: i == 5})
	}
	return all
}

// answersOf are plausible answers to all panels.
func answersOf(d *dashboard.Dashboard) map[uint32][]picture.Answer {
	r := rand.New(rand.NewPCG(1, 2))
	all := map[uint32][]picture.Answer{}
	for _, p := range dashboards.Panels(d) {
		all[*p.Id] = plausible(p, r)
	}
	return all
}
