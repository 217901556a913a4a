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
	Run      string
	Last     exchange.Time
	Open     []*exchange.Begin // oldest first
	Doubtful map[uint64]bool
	Waiting  []waitingState
	Wiring   *wiring
	Pending  []pendingState
	Fetches  []fetchState
	Clients  map[string][]asked
	Latest   exchange.Time
	Broken   map[download]brokenOff
}

type waitingState struct {
	Closes  exchange.Time
	Settled Settled
}

type pendingState struct {
	Begin          *exchange.Begin
	Caused, Beside []int // of Fetches
	Unclear        []exchange.Span
}

type fetchState struct {
	ID                    uint64 // of the exchange that is under way; zero: it has ended
	Request               goproxy.Request
	Owner                 int // of Pending, from 1 on; zero: none
	Span                  exchange.Span
	Begin, FirstByte, End exchange.Time
	Over                  bool
	Grouped               bool // it counts for requests that are still to come
}

// MarshalBinary returns all that s knows, but for its settings.
func (s *Settler) MarshalBinary() ([]byte, error) {
	state := settlerState{
		Run: s.run, Last: s.last, Doubtful: s.doubtful, Wiring: s.join.wiring,
		Clients: s.habits.clients, Latest: s.habits.latest, Broken: s.parts.broken,
	}
	for _, id := range s.order {
		if b := s.open[id]; b != nil {
			state.Open = append(state.Open, b)
		}
	}
	for _, w := range s.waiting {
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
	state := settlerState{Wiring: newWiring(), Clients: make(map[string][]asked), Broken: make(map[download]brokenOff)}
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&state); err != nil {
		return fmt.Errorf("state of the settler: %w", err)
	}
	if err := s.join.restore(&state); err != nil {
		return err
	}
	s.run, s.last, s.doubtful = state.Run, state.Last, state.Doubtful
	for _, b := range state.Open {
		s.open[b.ID] = b
		s.order = append(s.order, b.ID)
	}
	for _, w := range state.Waiting {
		s.waiting = append(s.waiting, waiting{w.Closes, w.Settled})
	}
	s.habits.clients, s.habits.latest, s.parts.broken = state.Clients, state.Latest, state.Broken
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
	index := make(map[*fetch]int)
	add := func(f *fetch, grouped bool) int {
		i, known := index[f]
		if !known {
			i = len(state.Fetches)
			index[f] = i
			state.Fetches = append(state.Fetches, fetchState{
				ID: ids[f], Request: f.request, Owner: owners[f.owner], Span: f.span,
				Begin: f.begin, FirstByte: f.firstByte, End: f.end, Over: f.over, Grouped: grouped,
			})
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
		state.Pending = append(state.Pending, pendingState{p.begin, indices(p.caused), indices(p.beside), p.unclear})
	}
}

func (j *join) restore(state *settlerState) error {
	j.wiring = state.Wiring
	fetches := make([]*fetch, len(state.Fetches))
	for i, f := range state.Fetches {
		fetches[i] = &fetch{request: f.Request, span: f.Span, begin: f.Begin, firstByte: f.FirstByte, end: f.End, over: f.Over}
		if f.ID != 0 {
			j.fetches[f.ID] = fetches[i]
		}
		if f.Grouped {
			g := j.group(f.Request)
			g.fetches = append(g.fetches, fetches[i])
		}
	}
	pick := func(indices []int) (out []*fetch, err error) {
		for _, i := range indices {
			if i < 0 || i >= len(fetches) {
				return nil, fmt.Errorf("state of the settler: fetch %d of %d", i, len(fetches))
			}
			out = append(out, fetches[i])
		}
		return out, nil
	}
	for i, from := range state.Pending {
		if from.Begin == nil {
			return fmt.Errorf("state of the settler: exchange %d of %d has no begin", i, len(state.Pending))
		}
		p := &pending{request: request(from.Begin), begin: from.Begin, unclear: from.Unclear}
		var err error
		if p.caused, err = pick(from.Caused); err != nil {
			return err
		}
		if p.beside, err = pick(from.Beside); err != nil {
			return err
		}
		j.bySpan[p.begin.Span.SpanID] = p
		if isFile(p.request) {
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

// request returns what an exchange is about, wherever the proxy is mounted.
func request(b *exchange.Begin) goproxy.Request {
	r := goproxy.Parse(b.Path)
	r.Prefix = ""
	return r
}
