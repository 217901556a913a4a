// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import "image"

const legendRow = 17

// legend draws names, means and greatest values below the graph, and returns how high it is. It takes up to two fifths of the panel.
func (p *panel) legend(curves []curve) int {
	if p.body.Dy() < 3*legendRow+80 { // no room
		p.Unnamed = len(curves)
		return 0
	}
	columns := min(max(1, p.body.Dx()/370), len(curves))
	rows := min((len(curves)+columns-1)/columns, max(1, p.body.Dy()*2/5/legendRow-1))
	shown := min(rows*columns, len(curves))
	p.Unnamed = p.leave(len(curves)-shown, "line")
	type entry struct{ mean, max string }
	entries, wide := make([]entry, shown), entry{"Mean", "Max"}
	meanWidth, maxWidth := p.width(wide.mean, sizeSmall), p.width(wide.max, sizeSmall)
	for i := range entries {
		entries[i].mean, _ = p.show(curves[i].mean)
		entries[i].max, _ = p.show(curves[i].max)
		meanWidth = max(meanWidth, p.width(entries[i].mean, sizeSmall))
		maxWidth = max(maxWidth, p.width(entries[i].max, sizeSmall))
	}
	height := (rows + 1) * legendRow
	one := (p.body.Dx() + 24) / columns
	for column := range columns {
		left := p.body.Min.X + column*one
		right := left + one - 24
		y := p.body.Max.Y - height + legendRow - 4
		p.textRight(wide.max, right, y, sizeSmall, colorMuted)
		p.textRight(wide.mean, right-maxWidth-14, y, sizeSmall, colorMuted)
		p.rect(image.Rect(left, y+4, right, y+5), colorGrid)
		for row := range rows {
			i := column*rows + row
			if i >= shown {
				break
			}
			y += legendRow
			p.rect(image.Rect(left, y-5, left+12, y-2), seriesColor(i))
			p.text(p.fit(curves[i].name, right-maxWidth-14-meanWidth-14-left-18, sizeSmall), left+18, y, sizeSmall, colorText)
			p.textRight(entries[i].max, right, y, sizeSmall, colorText)
			p.textRight(entries[i].mean, right-maxWidth-14, y, sizeSmall, colorText)
		}
	}
	return height
}
