// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"image"
	"math"
	"slices"
	"time"

	"github.com/go-analyze/charts"
)

// curve is a series that is drawn. Its times rise.
type curve struct {
	name      string
	times     []time.Time
	values    []float64 // as answered, all finite
	base, top []float64 // between which the area is
	mean, max float64
}

// graph draws lines over time.
func (p *panel) graph(answers []Answer) error {
	curves, step := p.curves(answers)
	if len(curves) == 0 {
		p.nothing()
		return nil
	}
	p.Series = len(curves)
	limits := p.stack(curves)
	legend := p.legend(curves)
	plot := image.Rect(p.body.Min.X, p.body.Min.Y+6, p.body.Max.X, p.body.Max.Y-legend-24)
	y := p.vertical(limits, plot.Dy())
	for _, label := range y.labels {
		plot.Min.X = max(plot.Min.X, p.body.Min.X+min(p.width(label, sizeSmall)+8, p.body.Dx()/2))
	}
	p.Plot, p.YMin, p.YMax = plot, y.min, y.max
	p.grid(&y)
	p.clock()
	for i := range curves {
		p.area(&curves[i], &y, step, seriesColor(i))
	}
	for i := range curves {
		for _, run := range p.runs(&curves[i], &y, step) {
			p.line(run.top, seriesColor(i), p.custom.LineWidth+0.5)
		}
	}
	for i := range answers {
		for _, e := range answers[i].Exemplars {
			if !e.Time.Before(p.From) && !e.Time.After(p.To) && e.Value >= y.min && e.Value <= y.max {
				p.Exemplars++
				p.painter.FilledDiamond(p.x(e.Time), p.y(&y, e.Value), 8, 8, colorPanel, seriesColor(4), 1.5)
			}
		}
	}
	return nil
}

// curves are the series with the values that are numbers, in the range of time, and the least time between two values.
func (p *panel) curves(answers []Answer) ([]curve, time.Duration) {
	var all []curve
	step := time.Duration(math.MaxInt64)
	for i := range answers {
		for _, s := range answers[i].Series {
			c := curve{name: s.Name, max: math.Inf(-1)}
			order := make([]int, len(s.Times))
			for j := range order {
				order[j] = j
			}
			slices.SortStableFunc(order, func(a, b int) int { return s.Times[a].Compare(s.Times[b]) })
			var before time.Time
			for n, j := range order {
				t, v := s.Times[j], s.Values[j]
				if d := t.Sub(before); n > 0 && d > 0 {
					step = min(step, d)
				}
				before = t
				if finite(v) && !t.Before(p.From) && !t.After(p.To) {
					c.times, c.values = append(c.times, t), append(c.values, v)
					c.mean, c.max = c.mean+(v-c.mean)/float64(len(c.values)), max(c.max, v)
				}
			}
			if len(c.values) > 0 {
				p.Points += len(c.values)
				all = append(all, c)
			}
		}
	}
	return all, step
}

// stack puts each curve on those before it, if the panel does, else on zero. It returns how low and high they go.
func (p *panel) stack(curves []curve) bounds {
	limits := noBounds()
	sums := map[int64]float64{}
	for i := range curves {
		c := &curves[i]
		for j, v := range c.values {
			base := 0.0
			if p.custom.Stacking.Mode == "normal" {
				t := c.times[j].UnixNano()
				base = sums[t]
				v = min(max(base+v, -math.MaxFloat64), math.MaxFloat64)
				sums[t] = v
			}
			c.base, c.top = append(c.base, base), append(c.top, v)
			limits.add(v)
		}
	}
	return limits
}

// vertical is the axis of the values, with the panel's bounds in it.
func (p *panel) vertical(limits bounds, height int) axis {
	for _, b := range []*float64{p.field.Min, p.field.Max, p.custom.AxisSoftMin} {
		if b != nil {
			limits.add(*b)
		}
	}
	if limits.low > 0 && limits.low < 0.7*limits.high || p.custom.Stacking.Mode == "normal" {
		limits.add(0)
	}
	y := newAxis(limits.low, limits.high, p.unit, max(2, height/34))
	if p.field.Mappings == nil {
		return y
	}
	words := axis{min: y.min, max: y.max} // only values that have a word
	for _, t := range y.ticks {
		if m, ok := p.mapped(t); ok && m.Text != nil {
			words.ticks, words.labels = append(words.ticks, t), append(words.labels, *m.Text)
		}
	}
	return words
}

func (p *panel) x(t time.Time) int {
	return p.Plot.Min.X + int(math.Round(float64(p.Plot.Dx())*float64(t.Sub(p.From))/float64(p.To.Sub(p.From))))
}

func (p *panel) y(a *axis, value float64) int {
	return p.Plot.Max.Y - int(math.Round(float64(p.Plot.Dy())*a.at(value)))
}

// grid draws the axis of values.
func (p *panel) grid(a *axis) {
	for i, tick := range a.ticks {
		y := p.y(a, tick)
		p.rect(image.Rect(p.Plot.Min.X, y, p.Plot.Max.X, y+1), colorGrid)
		p.textRight(a.labels[i], p.Plot.Min.X-6, y+4, sizeSmall, colorMuted)
	}
}

// clock draws the axis of time.
func (p *panel) clock() {
	widest := "00:00:00"
	if p.To.Sub(p.From) >= 24*time.Hour {
		widest = "00-00 00:00"
	}
	ticks, layout := timeTicks(p.From, p.To, max(1, p.Plot.Dx()/(p.width(widest, sizeSmall)+16)))
	for _, t := range ticks {
		x, label := p.x(t), t.Format(layout)
		p.rect(image.Rect(x, p.Plot.Min.Y, x+1, p.Plot.Max.Y), colorGrid)
		if half := p.width(label, sizeSmall) / 2; x-half >= p.body.Min.X && x+half <= p.body.Max.X {
			p.textCenter(label, x, p.Plot.Max.Y+16, sizeSmall, colorMuted)
		}
	}
	p.rect(image.Rect(p.Plot.Min.X, p.Plot.Max.Y, p.Plot.Max.X, p.Plot.Max.Y+1), colorBorder)
}

// run is a part of a curve without gaps.
type run struct{ top, base []charts.Point }

func (p *panel) runs(c *curve, y *axis, step time.Duration) []run {
	var all []run
	for i := range c.times {
		if i == 0 || float64(c.times[i].Sub(c.times[i-1])) > 1.5*float64(step) {
			all = append(all, run{})
		}
		r, x := &all[len(all)-1], p.x(c.times[i])
		r.top = append(r.top, charts.Point{X: x, Y: p.y(y, c.top[i])})
		r.base = append(r.base, charts.Point{X: x, Y: p.y(y, c.base[i])})
	}
	return all
}

// area fills what is between a curve and its base.
func (p *panel) area(c *curve, y *axis, step time.Duration, ink color) {
	if p.custom.FillOpacity <= 0 {
		return
	}
	for _, r := range p.runs(c, y, step) {
		if len(r.top) < 2 {
			continue
		}
		slices.Reverse(r.base)
		outline := append(append(slices.Clone(r.top), r.base...), r.top[0])
		p.painter.FillArea(outline, ink.WithAlpha(uint8(min(p.custom.FillOpacity, 100)*2.55)))
	}
}
