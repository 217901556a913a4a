// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-analyze/charts"
)

// heat draws a histogram over time: what is more frequent is darker.
func (p *panel) heat(answers []Answer) error {
	var cells []Cell
	for i := range answers {
		classic, err := perBucket(answers[i].Series)
		if err != nil {
			return err
		}
		cells = append(append(cells, classic...), answers[i].Cells...)
	}
	cells = slices.DeleteFunc(cells, func(c Cell) bool { return !(c.Low < c.High) })
	edges, step, most := p.edges(cells)
	cells = slices.DeleteFunc(cells, func(c Cell) bool {
		return !(c.Count > 1e-9) || math.IsInf(c.Count, 0) || c.Time.Before(p.From) || c.Time.After(p.To)
	})
	if len(cells) == 0 {
		p.nothing()
		return nil
	}
	u, err := unitOf(p.options.YAxis.Unit)
	if err != nil {
		return err
	}
	p.Series, p.Points = len(edges)-1, len(cells)
	p.YMin, p.YMax = edges[0], edges[len(edges)-1]
	p.buckets(edges, u)
	p.clock()
	row := make(map[float64]int, len(edges))
	for i, e := range edges {
		row[e] = i
	}
	for _, c := range cells {
		x0, x1 := max(p.x(c.Time.Add(-step/2)), p.Plot.Min.X), min(p.x(c.Time.Add(step/2)), p.Plot.Max.X)
		y0, y1 := p.edge(row[c.High], len(edges)), p.edge(row[c.Low], len(edges))
		p.rect(image.Rect(x0, y0, max(x1-1, x0+1), max(y1-1, y0+1)), heatColor(c.Count/most))
	}
	p.heatScale(most)
	return nil
}

// perBucket makes of classic buckets, which are cumulative over le, how many values are in each.
func perBucket(series []Series) ([]Cell, error) {
	type bucket struct {
		le float64
		at map[int64]float64
	}
	buckets := make([]bucket, len(series))
	for i, s := range series {
		le, err := strconv.ParseFloat(s.Name, 64)
		if err != nil || math.IsNaN(le) {
			return nil, fmt.Errorf("bucket %q, which is no number", s.Name)
		}
		buckets[i] = bucket{le, make(map[int64]float64, len(s.Times))}
		for j, t := range s.Times {
			buckets[i].at[t.UnixNano()] = s.Values[j]
		}
	}
	slices.SortFunc(buckets, func(a, b bucket) int { return cmp.Compare(a.le, b.le) })
	var cells []Cell
	below, low := map[int64]float64{}, 0.0
	for i, b := range buckets {
		if i == 0 && b.le <= 0 { // values may be negative
			low = math.Inf(-1)
		}
		for t, n := range b.at {
			cells = append(cells, Cell{Time: time.Unix(0, t).UTC(), Low: low, High: b.le, Count: n - below[t]})
		}
		below, low = b.at, b.le
	}
	return cells, nil
}

// edges are all of the cells' buckets, in order, with the least time between two and the greatest count.
func (p *panel) edges(cells []Cell) (edges []float64, step time.Duration, most float64) {
	var times []time.Time
	for _, c := range cells {
		edges, times = append(edges, c.Low, c.High), append(times, c.Time)
		if finite(c.Count) {
			most = max(most, c.Count)
		}
	}
	slices.Sort(edges)
	slices.SortFunc(times, time.Time.Compare)
	step = p.To.Sub(p.From) / 20
	if times = slices.CompactFunc(times, time.Time.Equal); len(times) > 1 {
		step = p.To.Sub(p.From)
		for i := range times[1:] {
			step = min(step, times[i+1].Sub(times[i]))
		}
	}
	return slices.Compact(edges), step, most
}

// edge is where the i-th of n edges is: all buckets are of a height.
func (p *panel) edge(i, n int) int {
	return p.Plot.Max.Y - p.Plot.Dy()*i/(n-1)
}

// buckets lays the plot out and draws the axis of buckets, as many edges as there is room for.
func (p *panel) buckets(edges []float64, u *unit) {
	p.Plot = image.Rect(p.body.Min.X, p.body.Min.Y+8, p.body.Max.X, p.body.Max.Y-52)
	labels := make([]string, len(edges))
	for i, e := range edges {
		labels[i] = u.format(e, nil)
		p.Plot.Min.X = max(p.Plot.Min.X, p.body.Min.X+p.width(labels[i], sizeSmall)+8)
	}
	free := math.MaxInt
	for i := range edges {
		y := p.edge(i, len(edges))
		p.rect(image.Rect(p.Plot.Min.X, y, p.Plot.Max.X, y+1), colorGrid)
		if y+6 < free {
			p.textRight(labels[i], p.Plot.Min.X-6, y+4, sizeSmall, colorMuted)
			free = y - 7
		}
	}
}

// heatColor goes from pale to dark orange; the square root lets rare values be seen.
func heatColor(share float64) color {
	t := math.Round(math.Sqrt(share)*24) / 24 // few colors: a small file
	stops := [][3]float64{{254, 237, 210}, {253, 190, 133}, {245, 130, 48}, {204, 76, 2}, {115, 36, 4}}
	at := t * float64(len(stops)-1)
	i := min(int(at), len(stops)-2)
	mix := func(k int) uint8 { return uint8(stops[i][k] + (stops[i+1][k]-stops[i][k])*(at-float64(i))) }
	return charts.ColorRGB(mix(0), mix(1), mix(2))
}

// heatScale draws which color is how many.
func (p *panel) heatScale(most float64) {
	const length = 200
	y := p.body.Max.Y - 16
	for i := range length {
		share := float64(i) / length
		p.rect(image.Rect(p.Plot.Min.X+i, y, p.Plot.Min.X+i+1, y+9), heatColor(share))
	}
	text, _ := p.show(most)
	p.text("0", p.Plot.Min.X-12, y+9, sizeSmall, colorMuted)
	p.text(text+" in a cell", p.Plot.Min.X+length+8, y+9, sizeSmall, colorMuted)
}
