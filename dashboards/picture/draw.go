// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"errors"
	"fmt"
	"image"
	"io"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// The grid, in pixels. Grafana's is 24 columns wide, too; its rows are 30 high with 8 between.
const (
	width   = 1600
	margin  = 16
	gap     = 8
	columns = 24
	rowHigh = 38
	head    = 62 // of the picture
	title   = 28 // of a panel
)

// Draw draws a dashboard as a PNG of 1600 pixels' width: each panel where the dashboard puts it, with what was answered to it by its id,
// over the range from from to to. It returns what it drew, in the dashboard's order.
func Draw(w io.Writer, d *dashboard.Dashboard, answers map[uint32][]Answer, from, to time.Time) ([]Drawn, error) {
	c, drawn, err := paint(d, answers, from, to)
	if err != nil {
		return nil, err
	}
	return drawn, c.encode(w)
}

func paint(d *dashboard.Dashboard, answers map[uint32][]Answer, from, to time.Time) (*canvas, []Drawn, error) {
	if !from.Before(to) {
		return nil, nil, errors.New("range of time that is empty")
	}
	sections := sectionsOf(d, answers)
	height, err := check(sections, answers)
	if err != nil {
		return nil, nil, err
	}
	c := newCanvas(width, height)
	if d.Title != nil {
		c.text(*d.Title, margin, 30, 15, colorText)
	}
	if d.Description != nil {
		c.text(*d.Description, margin, 50, sizeTitle, colorMuted)
	}
	const layout = "2006-01-02 15:04:05"
	c.textRight(from.UTC().Format(layout)+" to "+to.UTC().Format(layout)+" UTC", width-margin, 30, sizeTitle, colorMuted)
	var drawn []Drawn
	y := head
	for i := range sections {
		s := &sections[i]
		c.section(s, y)
		for _, p := range s.shown() {
			one, err := c.panel(p, s.place(p, y), answers[*p.Id], from.UTC(), to.UTC())
			if err != nil {
				return nil, nil, fmt.Errorf("panel %d %q: %w", *p.Id, one.Title, err)
			}
			drawn = append(drawn, *one)
		}
		y += s.height()
	}
	return c, drawn, nil
}

// section is a row's title and its panels.
type section struct {
	row    *dashboard.RowPanel // nil for panels above all rows
	panels []*dashboard.Panel
	folded bool
}

func sectionsOf(d *dashboard.Dashboard, answers map[uint32][]Answer) []section {
	var all []section
	for i := range d.Panels {
		if row := d.Panels[i].RowPanel; row != nil {
			s := section{row: row, folded: row.Collapsed}
			for j := range row.Panels {
				p := &row.Panels[j]
				s.panels = append(s.panels, p)
				s.folded = s.folded && (p.Id == nil || !hasData(answers[*p.Id]))
			}
			all = append(all, s)
		} else if p := d.Panels[i].Panel; p != nil {
			if len(all) == 0 {
				all = append(all, section{})
			}
			s := &all[len(all)-1]
			s.panels = append(s.panels, p)
		}
	}
	return all
}

// check validates the sections and answers, and returns the picture's height.
func check(sections []section, answers map[uint32][]Answer) (int, error) {
	known := map[uint32]bool{}
	height := head + margin - gap
	for i := range sections {
		for _, p := range sections[i].panels {
			if p.Id == nil || p.GridPos == nil || p.GridPos.X+p.GridPos.W > columns || p.GridPos.W == 0 || p.GridPos.H < 2 {
				return 0, fmt.Errorf("panel without an id or a place: %s", valueOf(p.Title))
			}
			known[*p.Id] = true
		}
		height += sections[i].height()
	}
	for id := range answers {
		if !known[id] {
			return 0, fmt.Errorf("answer to panel %d, which isn't there", id)
		}
		for i := range answers[id] {
			if err := answers[id][i].validate(); err != nil {
				return 0, fmt.Errorf("answer to panel %d, query %s: %w", id, answers[id][i].RefID, err)
			}
		}
	}
	return height, nil
}

func hasData(answers []Answer) bool {
	for i := range answers {
		a := &answers[i]
		if len(a.Series) > 0 || len(a.Cells) > 0 || len(a.Spans) > 0 || a.Rows != nil && len(a.Rows.Cells) > 0 {
			return true
		}
	}
	return false
}

func (s *section) shown() []*dashboard.Panel {
	if s.folded {
		return nil
	}
	return s.panels
}

// top is the first row of the dashboard's grid that the section's panels take.
func (s *section) top() (top uint32) {
	for i, p := range s.panels {
		if i == 0 || p.GridPos.Y < top {
			top = p.GridPos.Y
		}
	}
	return top
}

func (s *section) height() int {
	rows, top := 0, s.top()
	for _, p := range s.shown() {
		rows = max(rows, int(p.GridPos.Y+p.GridPos.H-top))
	}
	if s.row != nil {
		rows++
	}
	return rows * rowHigh
}

// place is where a panel is when the section begins at y.
func (s *section) place(p *dashboard.Panel, y int) image.Rectangle {
	if s.row != nil {
		y += rowHigh
	}
	g := p.GridPos
	y += int(g.Y-s.top()) * rowHigh
	column := func(n uint32) int { return margin + int(n)*(width-2*margin+gap)/columns }
	return image.Rect(column(g.X), y, column(g.X+g.W)-gap, y+int(g.H)*rowHigh-gap)
}

// section draws a row's title.
func (c *canvas) section(s *section, y int) {
	if s.row == nil {
		return
	}
	text := valueOf(s.row.Title)
	if s.folded {
		text += fmt.Sprintf(" (folded, %d panels without data)", len(s.panels))
	}
	c.text(c.fit(text, width-2*margin, 11), margin+2, y+20, 11, colorText)
}

func valueOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
