// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"image"
	"strings"
	"unicode"

	"github.com/go-analyze/charts"
)

type color = charts.Color

// The look: light, with Grafana's hues.
var (
	colorPage   = charts.ColorFromHex("#f3f4f6")
	colorPanel  = charts.ColorFromHex("#ffffff")
	colorBorder = charts.ColorFromHex("#dcdfe4")
	colorGrid   = charts.ColorFromHex("#e9ebee")
	colorText   = charts.ColorFromHex("#24292f")
	colorMuted  = charts.ColorFromHex("#6a737d")

	// named are the colors of thresholds and mappings, by Grafana's names.
	named = map[string]color{
		"green":  charts.ColorFromHex("#2f8132"),
		"orange": charts.ColorFromHex("#e0670a"),
		"red":    charts.ColorFromHex("#d0213c"),
		"text":   colorText,
	}

	// palette are the colors of series, in their order.
	palette = colors("#56a64b", "#e0b400", "#3274d9", "#ff780a", "#e02f44", "#8f3bb8", "#19a2a8", "#c77f2a", "#1f4e9e", "#a3123a",
		"#8ac97f", "#b58900", "#7fb0f5", "#f79a5b", "#f27a88", "#c08be0", "#5c6b7a", "#2f6b2a")
)

func colors(hex ...string) []color {
	all := make([]color, len(hex))
	for i, h := range hex {
		all[i] = charts.ColorFromHex(h)
	}
	return all
}

func seriesColor(i int) color { return palette[i%len(palette)] }

// Sizes of text in points.
const (
	sizeTitle = 10.0
	sizeText  = 9.0
	sizeSmall = 8.0
)

// canvas draws what the chart library's painter can, and texts that fit.
type canvas struct{ painter *charts.Painter }

func newCanvas(width, height int) *canvas {
	c := &canvas{charts.NewPainter(charts.PainterOptions{Width: width, Height: height})}
	c.rect(image.Rect(0, 0, width, height), colorPage)
	return c
}

func (c *canvas) rect(r image.Rectangle, fill color) {
	c.painter.FilledRect(r.Min.X, r.Min.Y, r.Max.X, r.Max.Y, fill, fill, 0)
}

// frame is a filled rectangle with a border.
func (c *canvas) frame(r image.Rectangle, fill, border color) {
	c.rect(r, border)
	c.rect(r.Inset(1), fill)
}

func style(size float64, ink color) charts.FontStyle {
	return charts.FontStyle{FontSize: size, FontColor: ink}
}

// text writes from x on, y is the base line.
func (c *canvas) text(s string, x, y int, size float64, ink color) {
	c.painter.Text(printable(s), x, y, 0, style(size, ink))
}

// textRight ends at x.
func (c *canvas) textRight(s string, x, y int, size float64, ink color) {
	c.text(s, x-c.width(s, size), y, size, ink)
}

func (c *canvas) textCenter(s string, x, y int, size float64, ink color) {
	c.text(s, x-c.width(s, size)/2, y, size, ink)
}

func (c *canvas) width(s string, size float64) int {
	return c.painter.MeasureText(printable(s), 0, style(size, colorText)).Width()
}

// fit cuts a text off that is too wide, and says so by an ellipsis.
func (c *canvas) fit(s string, width int, size float64) string {
	s = printable(s)
	if c.width(s, size) <= width {
		return s
	}
	runes := []rune(s)
	short, long := 0, len(runes) // short fits, long doesn't
	for long-short > 1 {
		middle := (short + long) / 2
		if c.width(string(runes[:middle])+"…", size) <= width {
			short = middle
		} else {
			long = middle
		}
	}
	return strings.TrimRight(string(runes[:short]), " ") + "…"
}

// longest is how many runes of a text can ever be seen.
const longest = 400

// printable makes one line of any text.
func printable(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n > longest:
			return -1
		case unicode.IsSpace(r), !unicode.IsPrint(r):
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// line draws through runs of points.
func (c *canvas) line(run []charts.Point, ink color, width float64) {
	if len(run) == 1 {
		c.painter.Circle(width+1, run[0].X, run[0].Y, ink, ink, 0)
		return
	}
	c.painter.LineStroke(run, ink, width)
}
