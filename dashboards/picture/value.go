// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"image"
	"math"
	"slices"
)

// last is the last value of a series that is a number.
type last struct {
	name, text string
	value      float64
	ink        color
}

// latest are the last values of the series that have one.
func (p *panel) latest(answers []Answer) []last {
	var all []last
	for i := range answers {
		for _, s := range answers[i].Series {
			for _, v := range slices.Backward(s.Values) {
				if !math.IsNaN(v) {
					text, ink := p.show(v)
					all = append(all, last{s.Name, text, v, ink})
					p.Texts = append(p.Texts, text)
					break
				}
			}
		}
	}
	p.Series = len(all)
	return all
}

// stat writes values, as large as there is room.
func (p *panel) stat(answers []Answer) error {
	all := p.latest(answers)
	if len(all) == 0 {
		p.nothing()
		return nil
	}
	columns := min(max(1, p.body.Dx()/95), len(all))
	if p.body.Dx() < 2*p.body.Dy() { // a high panel
		columns = 1
	}
	const low = 36
	rows := (len(all) + columns - 1) / columns
	for rows*low > p.body.Dy() && columns < p.body.Dx()/95 {
		columns++
		rows = (len(all) + columns - 1) / columns
	}
	rows = min(rows, max(1, p.body.Dy()/low))
	shown := all[:min(rows*columns, len(all))]
	p.Unnamed = p.leave(len(all)-len(shown), "value")
	cell := image.Pt(p.body.Dx()/columns, p.body.Dy()/rows)
	label := 0
	if len(all) > 1 {
		label = 15
	}
	size := 26.0
	for _, v := range shown {
		for size > 7 && (p.width(v.text, size) > cell.X-10 || size*1.4 > float64(cell.Y-label)) {
			size--
		}
	}
	for i, v := range shown {
		x, y := p.body.Min.X+i%columns*cell.X, p.body.Min.Y+i/columns*cell.Y
		middle := y + (cell.Y+int(size*0.92))/2
		if len(all) > 1 {
			p.text(p.fit(v.name, cell.X-8, sizeSmall), x, y+10, sizeSmall, colorMuted)
			p.text(p.fit(v.text, cell.X-6, size), x, middle+label/2, size, v.ink)
			continue
		}
		p.textCenter(p.fit(v.text, cell.X-6, size), x+cell.X/2, middle, size, v.ink)
	}
	return nil
}

// bars compares values by their lengths.
func (p *panel) bars(answers []Answer) error {
	all := p.latest(answers)
	if len(all) == 0 {
		p.nothing()
		return nil
	}
	const low = 32
	shown := all[:min(max(1, p.body.Dy()/low), len(all))]
	p.Unnamed = p.leave(len(all)-len(shown), "value")
	limits, text := noBounds(), 0
	for _, b := range []*float64{p.field.Min, p.field.Max} {
		if b != nil {
			limits.add(*b)
		}
	}
	for _, v := range all {
		if finite(v.value) {
			limits.add(v.value)
		}
		text = max(text, p.width(v.text, sizeText))
	}
	if limits.low >= limits.high {
		limits.low, limits.high = min(0, limits.low), max(1, limits.high)
	}
	a := axis{min: limits.low, max: limits.high}
	p.YMin, p.YMax = a.min, a.max
	high := min(p.body.Dy()/len(shown), 48)
	for i, v := range shown {
		y := p.body.Min.Y + i*high
		p.text(p.fit(v.name, p.body.Dx(), sizeSmall), p.body.Min.X, y+10, sizeSmall, colorText)
		bar := image.Rect(p.body.Min.X, y+15, p.body.Max.X-text-10, y+high-4)
		p.rect(bar, colorGrid)
		bar.Max.X = bar.Min.X + int(math.Round(float64(bar.Dx())*a.at(v.value)))
		ink := v.ink
		if ink == colorText {
			ink = seriesColor(2)
		}
		p.rect(bar, ink)
		p.textRight(v.text, p.body.Max.X, (bar.Min.Y+bar.Max.Y)/2+5, sizeText, v.ink)
	}
	return nil
}
