// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"encoding/json"
	"fmt"
	"image"
	"strconv"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// panel is one in the making.
type panel struct {
	*canvas
	Drawn
	body    image.Rectangle // below the title
	field   *dashboard.FieldConfig
	unit    *unit
	custom  custom
	options options
	of      *dashboard.Panel
	note    string // at the title's right
}

// custom is what matters here of a timeseries' settings.
type custom struct {
	FillOpacity float64
	LineWidth   float64
	AxisSoftMin *float64
	Stacking    struct{ Mode string }
}

// options is what matters here of a heatmap's.
type options struct {
	YAxis struct{ Unit string }
}

// panel draws one.
func (c *canvas) panel(of *dashboard.Panel, box image.Rectangle, answers []Answer, from, to time.Time) (*Drawn, error) {
	p := &panel{canvas: c, of: of, body: image.Rect(box.Min.X+12, box.Min.Y+title, box.Max.X-12, box.Max.Y-10)}
	p.Drawn = Drawn{ID: *of.Id, Title: valueOf(of.Title), Kind: of.Type, Box: box, From: from, To: to}
	if err := p.settings(); err != nil {
		return &p.Drawn, err
	}
	kind, known := map[string]func([]Answer) error{
		"timeseries": p.graph, "heatmap": p.heat, "stat": p.stat, "bargauge": p.bars,
		"table": p.table, "logs": p.logs, "traces": p.trace,
	}[of.Type]
	if !known {
		return &p.Drawn, fmt.Errorf("kind %q, which isn't known", of.Type)
	}
	c.frame(box, colorPanel, colorBorder)
	if err := kind(answers); err != nil {
		return &p.Drawn, err
	}
	right := box.Max.X - 12
	if p.note != "" {
		c.textRight(p.note, right, box.Min.Y+19, sizeSmall, colorMuted)
		right -= c.width(p.note, sizeSmall) + 12
	}
	c.text(c.fit(p.Title, right-box.Min.X-12, sizeTitle), box.Min.X+12, box.Min.Y+19, sizeTitle, colorText)
	return &p.Drawn, nil
}

// leave notes that n things have no room.
func (p *panel) leave(n int, what string) int {
	if n > 0 {
		p.note = strconv.Itoa(n) + " more " + what
		if n > 1 {
			p.note += "s"
		}
	}
	return n
}

// settings reads the panel's. Its types depend on which plugins were registered when it was decoded; their JSON doesn't.
func (p *panel) settings() error {
	p.field = &dashboard.FieldConfig{}
	if p.of.FieldConfig != nil {
		p.field = &p.of.FieldConfig.Defaults
	}
	p.custom.LineWidth = 1
	for from, to := range map[any]any{&p.field.Custom: &p.custom, &p.of.Options: &p.options} {
		raw, err := json.Marshal(from)
		if err != nil {
			return fmt.Errorf("settings: %w", err)
		}
		if err := json.Unmarshal(raw, to); err != nil {
			return fmt.Errorf("settings: %w", err)
		}
	}
	var err error
	p.unit, err = unitOf(valueOf(p.field.Unit))
	return err
}

func unitOf(name string) (*unit, error) {
	if name == "" {
		name = "short"
	}
	u, known := units[name]
	if !known {
		return nil, fmt.Errorf("unit %q, which isn't known", name)
	}
	return &u, nil
}

// nothing says that there is no value.
func (p *panel) nothing() {
	text := "No data"
	if p.field.NoValue != nil {
		text = *p.field.NoValue
	}
	p.Empty, p.Texts = true, []string{text}
	middle := p.body.Min.Add(p.body.Max).Div(2)
	size := sizeTitle
	if p.Kind == "stat" {
		size = 13
	}
	p.textCenter(p.fit(text, p.body.Dx(), size), middle.X, middle.Y, size, colorMuted)
}

// show writes a value as the panel does, and says in which color.
func (p *panel) show(value float64) (string, color) {
	text, ink := p.unit.format(value, p.field.Decimals), p.limit(value)
	if m, ok := p.mapped(value); ok {
		if m.Text != nil {
			text = *m.Text
		}
		if m.Color != nil {
			ink = inkOf(*m.Color)
		}
	}
	return text, ink
}

// mapped looks a value up in the panel's words for values.
func (p *panel) mapped(value float64) (dashboard.ValueMappingResult, bool) {
	for _, m := range p.field.Mappings {
		if m.ValueMap != nil {
			if r, ok := m.ValueMap.Options[strconv.FormatFloat(value, 'f', -1, 64)]; ok {
				return r, true
			}
		}
	}
	return dashboard.ValueMappingResult{}, false
}

// limit is the color of the highest threshold that the value reaches.
func (p *panel) limit(value float64) color {
	name := "text"
	if p.field.Thresholds != nil {
		for _, step := range p.field.Thresholds.Steps {
			if step.Value == nil || value >= *step.Value {
				name = step.Color
			}
		}
	}
	return inkOf(name)
}

func inkOf(name string) color {
	if ink, ok := named[name]; ok {
		return ink
	}
	return colorText
}
