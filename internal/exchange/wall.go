// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"slices"
	"time"
)

// OnWall returns an exchange with the wall's times in place of those of the run's clock,
// as people and other machines know them. Durations stay what they were. Where the clocks
// agreed these are b and e themselves.
func OnWall(b *Begin, e *End) (*Begin, *End) {
	if b.Offset == 0 {
		return b, e
	}
	begin, end := *b, *e
	begin.Time = b.Time.Add(b.Offset)
	begin.Offset = 0
	end.Time = e.Time.onWall(b.Offset)
	end.FirstByte = e.FirstByte.onWall(b.Offset)
	end.Attempts = slices.Clone(e.Attempts)
	for i := range end.Attempts {
		a := &end.Attempts[i]
		a.Start = a.Start.onWall(b.Offset)
	}
	end.Phases = slices.Clone(e.Phases)
	for i := range end.Phases {
		p := &end.Phases[i]
		p.Start, p.End = p.Start.onWall(b.Offset), p.End.onWall(b.Offset)
	}
	return &begin, &end
}

// onWall returns t+offset, but an unknown time stays one.
func (t Time) onWall(offset time.Duration) Time {
	if t == 0 {
		return 0
	}
	return t.Add(offset)
}
