// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"image"
	"slices"
	"strings"
	"time"
)

// logs draws a line for each row.
func (p *panel) logs(answers []Answer) error {
	rows, err := one(answers)
	if err != nil {
		return err
	}
	if rows == nil || len(rows.Cells) == 0 {
		p.nothing()
		return nil
	}
	const high = 19
	p.Columns = rows.Columns
	p.Rows = min(len(rows.Cells), p.body.Dy()/high)
	p.More = p.leave(len(rows.Cells)-p.Rows, "line")
	plain := field{unit: p.unit}
	for i, cells := range rows.Cells[:p.Rows] {
		x, y := p.body.Min.X, p.body.Min.Y+(i+1)*high-6
		p.rect(image.Rect(x, y-11, x+3, y+4), colorBorder)
		x += 10
		var words []string
		for _, cell := range cells {
			if t, ok := cell.(time.Time); ok && words == nil {
				text := t.UTC().Format("2006-01-02 15:04:05.000")
				p.text(text, x, y, sizeText, colorMuted)
				x += p.width(text, sizeText) + 12
				continue
			}
			if text := plain.write(cell); text != "" {
				words = append(words, text)
			}
		}
		p.text(p.fit(strings.Join(words, "  "), p.body.Max.X-x, sizeText), x, y, sizeText, colorText)
	}
	return nil
}

// trace draws each span as a bar over the trace's time.
func (p *panel) trace(answers []Answer) error {
	var spans []Span
	for i := range answers {
		spans = append(spans, answers[i].Spans...)
	}
	if len(spans) == 0 {
		p.nothing()
		return nil
	}
	const high = 21
	p.Rows = min(len(spans), p.body.Dy()/high-1)
	p.More = p.leave(len(spans)-p.Rows, "span")
	p.From, p.To = spans[0].Start, spans[0].Start.Add(1)
	var services []string
	for i := range spans {
		s := &spans[i]
		if s.Start.Before(p.From) {
			p.From = s.Start
		}
		if end := s.Start.Add(s.Duration); end.After(p.To) {
			p.To = end
		}
		if !slices.Contains(services, s.Service) {
			services = append(services, s.Service)
		}
	}
	p.Plot = image.Rect(p.body.Min.X+p.body.Dx()*2/5, p.body.Min.Y+high, p.body.Max.X-8, p.body.Min.Y+high*(p.Rows+1))
	seconds, _ := unitOf("s")
	a := newAxis(0, p.To.Sub(p.From).Seconds(), seconds, 5)
	for i, tick := range a.ticks {
		x := p.x(p.From.Add(time.Duration(tick * float64(time.Second))))
		if x+p.width(a.labels[i], sizeSmall)/2 <= p.body.Max.X {
			p.rect(image.Rect(x, p.Plot.Min.Y, x+1, p.Plot.Max.Y), colorGrid)
			p.textCenter(a.labels[i], x, p.Plot.Min.Y-6, sizeSmall, colorMuted)
		}
	}
	for i := range p.Rows {
		p.span(&spans[i], p.Plot.Min.Y+i*high, high, seriesColor(slices.Index(services, spans[i].Service)+2))
	}
	return nil
}

func (p *panel) span(s *Span, y, high int, ink color) {
	names := p.Plot.Min.X - p.body.Min.X
	left := p.body.Min.X + min(14*min(max(s.Depth, 0), 20), names/3)
	p.rect(image.Rect(left, y+4, left+3, y+high-3), ink)
	name := ink
	if s.Failed {
		ink, name = named["red"], named["red"]
	}
	service := p.fit(s.Service, min(160, names/2), sizeText)
	p.text(service, left+9, y+15, sizeText, name)
	x := left + 9 + p.width(service, sizeText) + 8
	if room := p.Plot.Min.X - x - 12; room > 20 {
		p.text(p.fit(s.Name, room, sizeText), x, y+15, sizeText, colorText)
	}
	bar := image.Rect(p.x(s.Start), y+5, p.x(s.Start.Add(s.Duration)), y+high-4)
	bar.Max.X = max(bar.Max.X, bar.Min.X+2)
	p.rect(bar, ink)
	seconds, _ := unitOf("s")
	text := seconds.format(s.Duration.Seconds(), nil)
	if w := p.width(text, sizeSmall); bar.Max.X+6+w <= p.body.Max.X {
		p.text(text, bar.Max.X+6, y+15, sizeSmall, colorMuted)
	} else if bar.Min.X-6-w > p.Plot.Min.X {
		p.textRight(text, bar.Min.X-6, y+15, sizeSmall, colorMuted)
	} else {
		p.textRight(text, bar.Max.X-6, y+15, sizeSmall, colorPanel)
	}
}
