// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	stdcolor "image/color"
	"image/draw"
	"image/png"
	"io"
	"maps"
	"slices"
)

// encode writes the picture with at most 256 colors, since it lies in a repository. Those of series and states are kept, thin as a line
// may be, and those used most; the others are shades at the edges of lines and letters, for which the nearest will do.
func (c *canvas) encode(w io.Writer) error {
	raw, err := c.painter.Bytes()
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	decoded, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	full := image.NewRGBA(decoded.Bounds())
	draw.Draw(full, full.Rect, decoded, image.Point{}, draw.Src)
	count := map[[4]byte]int{}
	for i := 0; i < len(full.Pix); i += 4 {
		count[[4]byte(full.Pix[i:])]++
	}
	used := slices.SortedFunc(maps.Keys(count), func(a, b [4]byte) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), bytes.Compare(a[:], b[:]))
	})
	var kept stdcolor.Palette
	for _, c := range append(slices.Clone(palette), named["green"], named["orange"], named["red"]) {
		kept = append(kept, rgba([4]byte{c.R, c.G, c.B, 255}))
	}
	for _, c := range used {
		if len(kept) < 256 && !slices.Contains(kept, stdcolor.Color(rgba(c))) {
			kept = append(kept, rgba(c))
		}
	}
	index := map[[4]byte]byte{}
	for _, c := range used {
		index[c] = byte(kept.Index(rgba(c)))
	}
	out := image.NewPaletted(full.Rect, kept)
	for i := range out.Pix {
		out.Pix[i] = index[[4]byte(full.Pix[4*i:])]
	}
	return png.Encode(w, out)
}

func rgba(c [4]byte) stdcolor.RGBA { return stdcolor.RGBA{c[0], c[1], c[2], c[3]} }
