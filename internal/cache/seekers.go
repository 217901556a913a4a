// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// seeker is an ingress exchange as somebody who may have caused a fetch of a version.
type seeker struct {
	number   uint64 // of the exchange, in its run
	file     uint64 // what it asks for
	begin    exchange.Time
	answered exchange.Time // its first byte; zero: it was sent none, or isn't over
	good     bool          // its answer is a success
	left     exchange.Time // when it was over without an answer; zero: it wasn't
}

// compare orders seekers as they came.
func compare(x, y *seeker) int {
	return cmp.Or(cmp.Compare(x.begin, y.begin), cmp.Compare(x.number, y.number))
}

// goesOn is how long a proxy may work for somebody who left.
const goesOn = exchange.Time(30 * time.Second)

// at reports whether a may have caused what began then.
func (a *seeker) at(begin exchange.Time) bool {
	switch {
	case a.begin > begin:
		return false
	case a.left != 0:
		return begin-a.left <= goesOn
	}
	return a.answered == 0 || a.answered >= begin
}

// seekers are those who are waiting for a version, or for what a module has, and those
// who left not long ago.
type seekers struct {
	by   map[version][]*seeker
	left []leaving // in the order in which they left
}

type leaving struct {
	key    version
	seeker *seeker
}

func newSeekers() *seekers { return &seekers{by: make(map[version][]*seeker)} }

// about is what r may cause fetches of: its version, or any of its module.
func about(r goproxy.Request) version {
	if changes(r) {
		return version{module: r.Module}
	}
	return key(r)
}

func (s *seekers) add(r goproxy.Request, a *seeker) {
	k := about(r)
	s.by[k] = append(s.by[k], a)
}

// of returns who may cause a fetch of r's version that begins now.
func (s *seekers) of(r goproxy.Request) []*seeker {
	return slices.Concat(s.by[key(r)], s.by[version{module: r.Module}])
}

// over notes the end of an exchange.
func (s *seekers) over(r goproxy.Request, a *seeker, e *exchange.End) {
	a.good = success(e.Status)
	if a.answered = e.FirstByte; a.answered != 0 {
		s.remove(about(r), a)
		return
	}
	a.left = e.Time
	s.left = append(s.left, leaving{about(r), a})
}

func (s *seekers) remove(k version, a *seeker) {
	if rest := slices.DeleteFunc(s.by[k], func(x *seeker) bool { return x == a }); len(rest) > 0 {
		s.by[k] = rest
	} else {
		delete(s.by, k)
	}
}

// sweep forgets who left long ago.
func (s *seekers) sweep(now exchange.Time) {
	n := 0
	for n < len(s.left) && (now-s.left[n].seeker.left > goesOn || len(s.left)-n > maxAdrift) {
		s.remove(s.left[n].key, s.left[n].seeker)
		n++
	}
	s.left = slices.Delete(s.left, 0, n)
}

// interrupt notes that all who wait were left alone at a time.
func (s *seekers) interrupt(now exchange.Time) {
	for k, list := range s.by {
		for _, a := range list {
			if a.left == 0 {
				a.left = now
				s.left = append(s.left, leaving{k, a})
			}
		}
	}
	s.sort()
}

// save adds all seekers that are live; those that it returns the index of are added
// too.
func (s *seekers) save(state *settlerState) (index func(*seeker) int) {
	known := make(map[*seeker]int)
	index = func(a *seeker) int {
		i, ok := known[a]
		if !ok {
			i = len(state.Seekers)
			known[a] = i
			state.Seekers = append(state.Seekers, seekerState{Number: a.number, File: a.file, Good: a.good, Begin: a.begin, Answered: a.answered, Left: a.left})
		}
		return i
	}
	for k, list := range s.by {
		for _, a := range list {
			live := &state.Seekers[index(a)]
			live.Live, live.Module, live.Version = true, k.module, k.version
		}
	}
	return index
}

func (s *seekers) restore(state *settlerState) (pick func(int) (*seeker, error)) {
	all := make([]*seeker, len(state.Seekers))
	for i, from := range state.Seekers {
		all[i] = &seeker{number: from.Number, file: from.File, good: from.Good, begin: from.Begin, answered: from.Answered, left: from.Left}
		if !from.Live {
			continue
		}
		k := version{from.Module, from.Version}
		s.by[k] = append(s.by[k], all[i])
		if from.Left != 0 {
			s.left = append(s.left, leaving{k, all[i]})
		}
	}
	for _, list := range s.by {
		slices.SortFunc(list, compare)
	}
	s.sort()
	return func(i int) (*seeker, error) {
		if i < 0 || i >= len(all) {
			return nil, fmt.Errorf("state of the settler: seeker %d of %d", i, len(all))
		}
		return all[i], nil
	}
}

func (s *seekers) sort() {
	slices.SortFunc(s.left, func(x, y leaving) int {
		return cmp.Or(cmp.Compare(x.seeker.left, y.seeker.left), compare(x.seeker, y.seeker))
	})
}
