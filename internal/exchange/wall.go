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
	return shift(b, e, b.Offset)
}

// OnRun is the inverse of [OnWall]: it returns an exchange that has the wall's times with
// those of a run's clock that the wall's is ahead of by offset.
func OnRun(b *Begin, e *End, offset time.Duration) (*Begin, *End) {
	return shift(b, e, -offset)
}

// shift moves all times of an exchange, and what the wall's are ahead of them.
func shift(b *Begin, e *End, by time.Duration) (*Begin, *End) {
	if by == 0 {
		return b, e
	}
	begin, end := *b, *e
	begin.Time, begin.Offset = b.Time.shift(by), b.Offset-by
	end.Time, end.FirstByte = e.Time.shift(by), e.FirstByte.shift(by)
	end.Attempts = slices.Clone(e.Attempts)
	for i := range end.Attempts {
		a := &end.Attempts[i]
		a.Start = a.Start.shift(by)
	}
	end.Phases = slices.Clone(e.Phases)
	for i := range end.Phases {
		p := &end.Phases[i]
		p.Start, p.End = p.Start.shift(by), p.End.shift(by)
	}
	return &begin, &end
}

// shift returns t+by, but an unknown time stays one.
func (t Time) shift(by time.Duration) Time {
	if t == 0 {
		return 0
	}
	return t.Add(by)
}
