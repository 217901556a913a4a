// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/gob"
	"fmt"
	"maps"
	"slices"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

var (
	_ encoding.BinaryMarshaler   = (*Settler)(nil)
	_ encoding.BinaryUnmarshaler = (*Settler)(nil)
)

// settlerState is a Settler as it is stored. Pointers within it are indices.
type settlerState struct {
	Run        string
	Last       exchange.Time
	Open       []*exchange.Begin // oldest first
	Doubtful   map[uint64]bool
	Waiting    []waitingState
	Wiring     *wiring
	Files      []byte // packed
	Seekers    []seekerState
	Overtakers []overtaker
	Pending    []pendingState
	Fetches    []fetchState
	Commands   map[string]*command
	Latest     exchange.Time
	Broken     map[download]brokenOff
}

type waitingState struct {
	Closes  exchange.Time
	Settled Settled
}

// seekerState is an seeker. Only one that is live may cause what is still to come.
type seekerState struct {
	Number, File          uint64
	Begin, Answered, Left exchange.Time
	Live, Good            bool
	Module, Version       string // what it is about
}

type pendingState struct {
	Begin          *exchange.Begin
	Seeker         int // of Seekers
	File, Version  trail
	Caused, Beside []int // of Fetches
	Unclear        []exchange.Span
}

type fetchState struct {
	ID                    uint64 // of the exchange that is under way; zero: it has ended
	Request               goproxy.Request
	Owner                 int // of Pending, from 1 on; zero: none
	Span                  exchange.Span
	Begin, FirstByte, End exchange.Time
	Grouped               bool // it counts for requests that are still to come

	Method                          string
	By, Self                        exchange.SpanID
	Closed                          exchange.Time
	Status                          int
	Words                           []uint64
	Exact, Served, Renews, IsAdrift bool
	Seekers, Twins                  []int
}

// MarshalBinary returns all that s knows, but for its settings.
func (s *Settler) MarshalBinary() ([]byte, error) {
	state := settlerState{
		Run: s.run, Last: s.last, Doubtful: s.doubtful, Wiring: s.join.wiring, Files: s.join.memory.pack(),
		Commands: s.habits.commands, Latest: s.habits.latest, Broken: s.parts.broken,
	}
	for _, id := range s.order {
		if b := s.open[id]; b != nil {
			state.Open = append(state.Open, stored(b))
		}
	}
	for _, w := range s.waiting {
		w.s.Begin = stored(w.s.Begin)
		state.Waiting = append(state.Waiting, waitingState{w.closes, w.s})
	}
	s.join.save(&state)
	var out bytes.Buffer
	err := gob.NewEncoder(&out).Encode(state)
	return out.Bytes(), err
}

// UnmarshalBinary takes over what another Settler with the same settings knew. It
// is called before the first record. Its error says that data is no such thing.
func (s *Settler) UnmarshalBinary(data []byte) error {
	state := settlerState{Wiring: newWiring(s.join.settings.Memory), Commands: make(map[string]*command), Broken: make(map[download]brokenOff)}
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&state); err != nil {
		return fmt.Errorf("state of the settler: %w", err)
	}
	state.parse()
	if err := s.join.restore(&state); err != nil {
		return err
	}
	s.run, s.last, s.doubtful = state.Run, state.Last, state.Doubtful
	for _, b := range state.Open {
		s.open[b.ID] = b
		s.order = append(s.order, b.ID)
	}
	for _, w := range state.Waiting {
		s.wait(waiting{w.Closes, w.Settled})
	}
	s.habits.commands, s.habits.latest, s.parts.broken = state.Commands, state.Latest, state.Broken
	s.habits.count()
	return nil
}

// save adds what is under way. The order of a version's fetches is kept; it can
// decide which one is named.
func (j *join) save(state *settlerState) {
	all := slices.SortedFunc(maps.Values(j.bySpan), func(a, b *pending) int { return cmp.Compare(a.begin.ID, b.begin.ID) })
	owners := make(map[*pending]int, len(all))
	for i, p := range all {
		owners[p] = i + 1
	}
	ids := make(map[*fetch]uint64, len(j.fetches))
	for id, f := range j.fetches {
		ids[f] = id
	}
	seeker := j.seekers.save(state)
	state.Overtakers = j.overtakers.save()
	index := make(map[*fetch]int)
	var add func(f *fetch, grouped bool) int
	add = func(f *fetch, grouped bool) int {
		i, known := index[f]
		if !known {
			i = len(state.Fetches)
			index[f] = i
			state.Fetches = append(state.Fetches, fetchState{
				ID: ids[f], Request: f.request, Owner: owners[f.owner], Span: f.span,
				Begin: f.begin, FirstByte: f.firstByte, End: f.end, Grouped: grouped,
				Method: f.method, By: f.by, Self: f.id, Closed: f.closed, Status: f.status, Words: f.words,
				Exact: f.exact, Served: f.served, Renews: f.renews, IsAdrift: f.adrift,
			})
			for _, a := range f.seekers {
				state.Fetches[i].Seekers = append(state.Fetches[i].Seekers, seeker(a))
			}
			for _, twin := range f.twins {
				k := add(twin, false)
				state.Fetches[i].Twins = append(state.Fetches[i].Twins, k)
			}
		}
		return i
	}
	for _, g := range j.versions {
		for _, f := range g.fetches {
			add(f, true)
		}
	}
	for _, f := range j.fetches {
		add(f, false)
	}
	indices := func(fetches []*fetch) (out []int) {
		for _, f := range fetches {
			out = append(out, add(f, false))
		}
		return out
	}
	for _, p := range all {
		state.Pending = append(state.Pending, pendingState{stored(p.begin), seeker(p.seeker), p.file, p.version, indices(p.caused), indices(p.beside), p.unclear})
	}
}

func (j *join) restore(state *settlerState) error {
	j.wiring = state.Wiring
	j.wiring.memory = j.settings.Memory
	j.wiring.measure()
	j.memory.unpack(state.Files)
	seeker := j.seekers.restore(state)
	for _, o := range state.Overtakers {
		j.overtakers.add(o)
	}
	fetches := make([]*fetch, len(state.Fetches))
	for i, f := range state.Fetches {
		fetches[i] = &fetch{
			request: f.Request, method: f.Method, by: f.By, id: f.Self, exact: f.Exact, span: f.Span,
			begin: f.Begin, firstByte: f.FirstByte, closed: f.Closed, end: f.End,
			status: f.Status, served: f.Served, renews: f.Renews, adrift: f.IsAdrift, words: f.Words,
		}
		for _, k := range f.Seekers {
			a, err := seeker(k)
			if err != nil {
				return err
			}
			fetches[i].seekers = append(fetches[i].seekers, a)
		}
		if f.ID != 0 {
			j.fetches[f.ID] = fetches[i]
		}
		if f.Grouped {
			g := j.group(f.Request)
			g.fetches = append(g.fetches, fetches[i])
			if f.IsAdrift {
				j.adrift = append(j.adrift, fetches[i])
			}
		}
	}
	slices.SortFunc(j.adrift, func(a, b *fetch) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.begin, b.begin)) })
	pick := func(indices []int) (out []*fetch, err error) {
		for _, i := range indices {
			if i < 0 || i >= len(fetches) {
				return nil, fmt.Errorf("state of the settler: fetch %d of %d", i, len(fetches))
			}
			out = append(out, fetches[i])
		}
		return out, nil
	}
	for i, from := range state.Fetches {
		var err error
		if fetches[i].twins, err = pick(from.Twins); err != nil {
			return err
		}
	}
	for i, from := range state.Pending {
		if from.Begin == nil {
			return fmt.Errorf("state of the settler: exchange %d of %d has no begin", i, len(state.Pending))
		}
		p := &pending{request: request(from.Begin), begin: from.Begin, file: from.File, version: from.Version, unclear: from.Unclear}
		var err error
		if p.seeker, err = seeker(from.Seeker); err != nil {
			return err
		}
		if p.caused, err = pick(from.Caused); err != nil {
			return err
		}
		if p.beside, err = pick(from.Beside); err != nil {
			return err
		}
		j.bySpan[p.begin.Span.SpanID] = p
		if isShared(p.request) {
			g := j.group(p.request)
			g.pending = append(g.pending, p)
		}
		for k, f := range state.Fetches {
			if f.Owner == i+1 {
				fetches[k].owner = p
			}
		}
	}
	return nil
}

// stored returns b without what its path says already.
func stored(b *exchange.Begin) *exchange.Begin {
	c := *b
	c.Request = goproxy.Request{}
	return &c
}

// parse reads the paths again, as [exchange.Decode] does.
func (state *settlerState) parse() {
	all := slices.Clone(state.Open)
	for i := range state.Waiting {
		all = append(all, state.Waiting[i].Settled.Begin)
	}
	for i := range state.Pending {
		all = append(all, state.Pending[i].Begin)
	}
	for _, b := range all {
		if b != nil {
			b.Request = goproxy.Parse(b.Path)
		}
	}
}

// request returns what an exchange is about, wherever the proxy is mounted.
func request(b *exchange.Begin) goproxy.Request {
	r := b.Request
	r.Prefix = ""
	return r
}
