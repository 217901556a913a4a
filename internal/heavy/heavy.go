// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package heavy counts by keys that clients choose, in bounded memory: the heaviest
// keys have series of their own, the rest share one. Which keys are heavy is told
// by Space-Saving (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent
// and Top-k Elements in Data Streams, ICDT 2005, https://doi.org/10.1007/978-3-540-30570-5_27).
//
// What is counted is exact. Each count goes to one series, once, and stays there:
// in any window the increases of all series sum up to the increase of the total.
package heavy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// Other is the key of the series that all keys without one of their own share.
const Other = "_other"

// perSeries is how many keys Space-Saving watches, and how many departed series
// are remembered, for each series that can be shown.
const perSeries = 10

// maxKey is the longest key, in bytes, that can have a series of its own.
const maxKey = 512

// Settings bound a [Table].
type Settings struct {
	// Series is how many keys can have a series of their own; zero: none.
	Series int
	// IdleExpiry is how long a series stays without a count. Zero: 1 h.
	IdleExpiry time.Duration
}

// Value is what is counted of one key and class.
type Value struct {
	Requests int64
	Bytes    int64
}

// Series are the counts of one key.
type Series struct {
	Key string
	// Since is when the series began to count from zero.
	Since exchange.Time
	// Last is when it counted last.
	Last exchange.Time
	// Left is when it left; zero: it is shown.
	Left exchange.Time
	// Values are the counts by class, such as a cache result.
	Values map[string]Value
}

func (s *Series) add(class string, v Value, at exchange.Time) {
	if s.Values == nil {
		s.Values = make(map[string]Value)
	}
	old := s.Values[class]
	s.Values[class] = Value{Requests: old.Requests + v.Requests, Bytes: old.Bytes + v.Bytes}
	s.Last = at
}

// Table gives each key of a stream a series, or counts it under [Other]. It is a
// pure function of what was added, in its order. It isn't safe for concurrent use.
//
// A key gets a series when it is counted while one is free and Space-Saving knows
// for certain that it is heavier than any key which isn't watched, so that junk
// which is asked for once doesn't take them. What it counted before stays under
// Other. A series leaves when it has had no count for the idle
// expiry, and not before, however light it is; then what its key counts goes to
// Other. If the key gets a series again, that goes on where it was, as long as it
// is among the 10N that left last; else it is a new one, with a Since of its own.
type Table struct {
	settings Settings
	now      exchange.Time // never goes back
	aged     exchange.Time // when the sketch was halved
	sweep    exchange.Time // no series is idle before

	sketch sketch
	shown  map[string]*Series
	other  Series
	parked []Series // that left, the latest last
}

// New returns an empty table.
func New(s Settings) *Table {
	if s.IdleExpiry <= 0 {
		s.IdleExpiry = time.Hour
	}
	s.Series = max(0, s.Series)
	return &Table{
		settings: s,
		sketch:   newSketch(perSeries * s.Series),
		shown:    make(map[string]*Series),
		other:    Series{Key: Other},
	}
}

// Add counts v for the key and the class, at a time of the journal.
func (t *Table) Add(key, class string, v Value, at exchange.Time) {
	t.pass(at)
	if t.settings.Series == 0 || key == Other || len(key) > maxKey {
		t.other.add(class, v, t.now)
		return
	}
	sure := t.sketch.add(key)
	s := t.shown[key]
	if s == nil && len(t.shown) < t.settings.Series && sure >= t.sketch.unwatched() {
		s = t.enter(key)
	}
	if s == nil {
		s = &t.other
	}
	s.add(class, v, t.now)
}

// Left returns the series that left within the last idle expiry, for those who
// have to take them down. The caller doesn't change them.
func (t *Table) Left() []Series {
	since := t.now.Add(-t.settings.IdleExpiry)
	i := slices.IndexFunc(t.parked, func(s Series) bool { return s.Left > since })
	if i < 0 {
		return nil
	}
	return t.parked[i:]
}

// Series returns what is shown, by key, and [Other] last if it has counts. The
// caller doesn't change the values.
func (t *Table) Series() []Series {
	out := make([]Series, 0, len(t.shown)+1)
	for _, s := range t.shown {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Series) int { return cmp.Compare(a.Key, b.Key) })
	if len(t.other.Values) > 0 {
		out = append(out, t.other)
	}
	return out
}

// pass lets time go on: idle series leave, and what was counted long ago weighs
// less, by half for each idle expiry.
func (t *Table) pass(at exchange.Time) {
	if t.now == 0 {
		t.aged, t.other.Since = at, at
	}
	t.now = max(t.now, at)
	expiry := t.settings.IdleExpiry
	for t.now.Sub(t.aged) >= expiry {
		t.aged = t.aged.Add(expiry)
		if t.sketch.total == 0 {
			t.aged = t.now // nothing is left to halve
		}
		t.sketch.halve()
	}
	if t.now < t.sweep {
		return
	}
	t.sweep = t.now.Add(expiry)
	var left []Series
	for key, s := range t.shown {
		if t.now.Sub(s.Last) >= expiry {
			left = append(left, *s)
			delete(t.shown, key)
			continue
		}
		t.sweep = min(t.sweep, s.Last.Add(expiry))
	}
	slices.SortFunc(left, func(a, b Series) int {
		return cmp.Or(cmp.Compare(a.Last, b.Last), cmp.Compare(a.Key, b.Key))
	})
	t.park(left)
}

func (t *Table) park(left []Series) {
	for i := range left {
		left[i].Left = t.now
	}
	t.parked = append(t.parked, left...)
	if over := len(t.parked) - perSeries*t.settings.Series; over > 0 {
		t.parked = slices.Delete(t.parked, 0, over)
	}
}

// enter shows a series for key, the parked one if there is one.
func (t *Table) enter(key string) *Series {
	s := &Series{Key: strings.Clone(key), Since: t.now}
	if i := slices.IndexFunc(t.parked, func(p Series) bool { return p.Key == key }); i >= 0 {
		*s = t.parked[i]
		s.Left = 0
		t.parked = slices.Delete(t.parked, i, i+1)
	}
	t.shown[s.Key] = s
	t.sweep = min(t.sweep, t.now.Add(t.settings.IdleExpiry))
	return s
}

// State is all that a [Table] knows, as plain values that can be stored.
type State struct {
	Now, Aged exchange.Time
	// Total and Watched are Space-Saving's; the order of Watched matters.
	Total   int64
	Watched []Watched
	Shown   []Series
	Other   Series
	Parked  []Series
}

// State returns a copy of what the table knows.
func (t *Table) State() State {
	s := State{
		Now: t.now, Aged: t.aged, Total: t.sketch.total,
		Watched: slices.Clone(t.sketch.heap), Other: t.other.clone(), Parked: clones(t.parked),
	}
	for _, key := range slices.Sorted(maps.Keys(t.shown)) {
		s.Shown = append(s.Shown, t.shown[key].clone())
	}
	return s
}

// Restore returns a table that goes on from a state. Where the settings allow
// fewer series than it shows, those that counted last stay.
func Restore(settings Settings, s State) *Table {
	t := New(settings)
	t.now, t.aged, t.other, t.parked = s.Now, s.Aged, s.Other.clone(), clones(s.Parked)
	t.sketch.restore(s.Total, s.Watched)
	shown := clones(s.Shown)
	slices.SortStableFunc(shown, func(a, b Series) int { return cmp.Compare(a.Last, b.Last) })
	over := max(0, len(shown)-t.settings.Series)
	t.park(shown[:over])
	for i := range shown[over:] {
		t.shown[shown[over+i].Key] = &shown[over+i]
	}
	return t
}

func (s *Series) clone() Series {
	c := *s
	c.Values = maps.Clone(s.Values)
	return c
}

func clones(all []Series) []Series {
	out := make([]Series, len(all))
	for i := range all {
		out[i] = all[i].clone()
	}
	return out
}
