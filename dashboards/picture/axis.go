// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"math"
	"time"
)

// axis goes from min to max and has labels at ticks.
type axis struct {
	min, max float64
	ticks    []float64
	labels   []string
}

// newAxis covers the values from low to high, with about count steps that are round in the unit.
func newAxis(low, high float64, u *unit, count int) axis {
	if low == high {
		low, high = min(low, 0), max(high, 0)
	}
	if low == high {
		high = 1
	}
	s := u.scaleOf(max(math.Abs(low), math.Abs(high)))
	step := s.factor * round((high/2-low/2)/float64(count)*2/s.factor) // halves: the difference may be too great for a float64
	a := axis{min: low, max: high}
	if bottom, top := math.Floor(low/step)*step, math.Ceil(high/step)*step; finite(bottom) && finite(top) {
		a.min, a.max = min(low, bottom), max(high, top)
	}
	for i := range 4 * count {
		if tick := a.min + float64(i)*step; finite(tick) && tick <= a.max+step/1e6 && (i == 0 || tick > a.ticks[i-1]) {
			a.ticks = append(a.ticks, tick)
			continue
		}
		break
	}
	digits := decimalsOf(step / s.factor)
	for _, t := range a.ticks {
		if math.Abs(t) < step/1e6 {
			a.labels = append(a.labels, u.format(0, nil))
			continue
		}
		a.labels = append(a.labels, u.write(t/s.factor, digits, s.suffix))
	}
	return a
}

// round is the next of 1, 2, 2.5 and 5 times a power of ten.
func round(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= x*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// decimalsOf is how many decimals tell multiples of the step apart.
func decimalsOf(step float64) int {
	for d := range 7 {
		if scaled := step * math.Pow10(d); math.Abs(scaled-math.Round(scaled)) < 1e-6 && scaled >= 0.5 {
			return d
		}
	}
	return 7
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// at is where a value is on the axis, from 0 to 1.
func (a *axis) at(value float64) float64 {
	f := (value/2 - a.min/2) / (a.max/2 - a.min/2)
	if math.IsNaN(f) {
		return 0
	}
	return min(max(f, 0), 1)
}

// bounds of an axis, extended over values.
type bounds struct{ low, high float64 }

func noBounds() bounds { return bounds{math.Inf(1), math.Inf(-1)} }

func (b *bounds) add(value float64) {
	b.low, b.high = min(b.low, value), max(b.high, value)
}

// timeSteps are round on a clock.
var timeSteps = []time.Duration{
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
	time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour,
}

// timeTicks are at most count round times in a range, and how they are written.
func timeTicks(from, to time.Time, count int) (ticks []time.Time, layout string) {
	span := to.Sub(from)
	step := timeSteps[len(timeSteps)-1]
	for _, s := range timeSteps {
		if span/s <= time.Duration(count) {
			step = s
			break
		}
	}
	switch {
	case step < time.Second:
		layout = "15:04:05.000"
	case step < time.Minute:
		layout = "15:04:05"
	case step < 24*time.Hour && span < 24*time.Hour:
		layout = "15:04"
	case step < 24*time.Hour:
		layout = "01-02 15:04"
	default:
		layout = "2006-01-02"
	}
	for t := from.UTC().Truncate(step); !t.After(to); t = t.Add(step) {
		if !t.Before(from) && len(ticks) <= count {
			ticks = append(ticks, t)
		}
	}
	return ticks, layout
}
