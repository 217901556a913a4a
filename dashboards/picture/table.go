// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"slices"
	"time"
)

const tableRow = 22

// field is a column of a table.
type field struct {
	title   string
	from    int // in the answer
	unit    *unit
	numbers bool
	natural int // width of its longest text
}

// table draws rows in columns.
func (p *panel) table(answers []Answer) error {
	rows, err := one(answers)
	if err != nil {
		return err
	}
	if rows == nil || len(rows.Cells) == 0 {
		p.nothing()
		return nil
	}
	fields, err := p.fields(rows.Columns)
	if err != nil {
		return err
	}
	shown := rows.Cells[:min(len(rows.Cells), p.body.Dy()/tableRow-1)]
	p.Rows, p.More = len(shown), p.leave(len(rows.Cells)-len(shown), "row")
	for i := range fields {
		f := &fields[i]
		p.Columns = append(p.Columns, f.title)
		f.natural = p.width(f.title, sizeSmall)
		for _, cells := range shown {
			_, number := cells[f.from].(float64)
			f.numbers = f.numbers || number
			f.natural = max(f.natural, p.width(f.write(cells[f.from]), sizeText))
		}
	}
	x := p.body.Min.X
	for i, width := range share(fields, p.body.Dx()) {
		p.column(&fields[i], shown, x, width)
		x += width
	}
	for i := range len(shown) + 1 {
		y := p.body.Min.Y + (i+1)*tableRow
		p.rect(image.Rect(p.body.Min.X, y, p.body.Max.X, y+1), colorGrid)
	}
	return nil
}

// one is the table of the answers; panels with tables have one query.
func one(answers []Answer) (*Table, error) {
	var found *Table
	for i := range answers {
		if answers[i].Rows != nil {
			if found != nil {
				return nil, errors.New("more than one table")
			}
			found = answers[i].Rows
		}
	}
	return found, nil
}

// fields are the columns after the panel's transformations, with their units.
func (p *panel) fields(columns []string) ([]field, error) {
	var choice struct {
		Include struct{ Names []string }
		Rename  map[string]string `json:"renameByName"`
		Index   map[string]int    `json:"indexByName"`
	}
	for _, t := range p.of.Transformations {
		raw, err := json.Marshal(t.Options)
		if err == nil {
			err = json.Unmarshal(raw, &choice)
		}
		if err != nil || t.Id != "filterFieldsByName" && t.Id != "organize" {
			return nil, errors.Join(fmt.Errorf("transformation %q, which isn't known", t.Id), err)
		}
	}
	var all []field
	for i, name := range columns {
		if choice.Include.Names != nil && !slices.Contains(choice.Include.Names, name) {
			continue
		}
		all = append(all, field{title: cmp.Or(choice.Rename[name], name), from: i})
	}
	slices.SortStableFunc(all, func(a, b field) int {
		return cmp.Compare(choice.Index[columns[a.from]], choice.Index[columns[b.from]])
	})
	if len(all) == 0 {
		return nil, fmt.Errorf("none of the columns %q is shown", columns)
	}
	for i := range all {
		var err error
		if all[i].unit, err = p.unitFor(all[i].title); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// unitFor is the unit of a column: its own, or the panel's.
func (p *panel) unitFor(title string) (*unit, error) {
	if p.of.FieldConfig != nil {
		for _, o := range p.of.FieldConfig.Overrides {
			for _, property := range o.Properties {
				if name, ok := property.Value.(string); ok && property.Id == "unit" && o.Matcher.Id == "byName" && o.Matcher.Options == title {
					return unitOf(name)
				}
			}
		}
	}
	return p.unit, nil
}

// write writes a cell.
func (f *field) write(cell any) string {
	switch v := cell.(type) {
	case nil:
		return ""
	case float64:
		return f.unit.format(v, nil)
	case time.Time:
		return v.UTC().Format(isoSeconds)
	}
	return fmt.Sprint(cell)
}

const between = 16 // columns

// share divides the width: numbers get what they need, and texts as far as there is room.
func share(fields []field, width int) []int {
	need, text := 0, 0
	for i := range fields {
		need += fields[i].natural + between
		if !fields[i].numbers {
			text += fields[i].natural + between
		}
	}
	all := make([]int, len(fields))
	for i := range fields {
		own := fields[i].natural + between
		switch {
		case need <= width: // what is left goes to all
			own += (width - need) / len(fields)
		case text == 0 || need-text > width/2:
			own = width / len(fields)
		case !fields[i].numbers:
			own = (width - (need - text)) * own / text
		}
		all[i] = own
	}
	return all
}

func (p *panel) column(f *field, rows [][]any, x, width int) {
	y := p.body.Min.Y + tableRow - 7
	put := func(s string, size float64, ink color) {
		s = p.fit(s, width-between, size)
		if f.numbers {
			p.textRight(s, x+width-between, y, size, ink)
		} else {
			p.text(s, x, y, size, ink)
		}
	}
	put(f.title, sizeSmall, colorMuted)
	for _, cells := range rows {
		y += tableRow
		put(f.write(cells[f.from]), sizeText, colorText)
	}
}
