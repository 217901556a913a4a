// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/gob"
	"fmt"
	"slices"

	"github.com/modtap/modtap/internal/exchange"
)

var (
	_ encoding.BinaryMarshaler   = (*Tracker)(nil)
	_ encoding.BinaryUnmarshaler = (*Tracker)(nil)
)

// trackerState is a Tracker as it is stored.
type trackerState struct {
	Opened uint64
	Open   []trackedState // in the order of their opening
	Idle   []int          // of Open, the longest idle first
}

type trackedState struct {
	Closed    Closed
	Number    uint64
	Unsettled int
}

// MarshalBinary returns all that t knows, but for its settings.
func (t *Tracker) MarshalBinary() ([]byte, error) {
	state := trackerState{Opened: t.opened}
	index := make(map[*tracked]int, len(t.open))
	for i, s := range t.inOrder() {
		index[s] = i
		state.Open = append(state.Open, trackedState{s.Closed, s.number, s.unsettled})
	}
	for e := t.idle.Front(); e != nil; e = e.Next() {
		state.Idle = append(state.Idle, index[e.Value.(*tracked)])
	}
	return encode(state)
}

// UnmarshalBinary takes over what another Tracker knew. It is called before the
// first record. Its error says that data is no such thing.
func (t *Tracker) UnmarshalBinary(data []byte) error {
	var state trackerState
	if err := decode(data, &state); err != nil {
		return err
	}
	all := make([]*tracked, len(state.Open))
	for i, s := range state.Open {
		all[i] = &tracked{Closed: s.Closed, number: s.Number, unsettled: s.Unsettled}
		t.open[sessionKey{s.Closed.ID, s.Closed.Root}] = all[i]
	}
	for _, i := range state.Idle {
		if i < 0 || i >= len(all) || all[i].idle != nil {
			return fmt.Errorf("state of the sessions: session %d of %d", i, len(all))
		}
		all[i].idle = t.idle.PushBack(all[i])
	}
	t.opened = state.Opened
	return nil
}

// openState is an Open as it is stored.
type openState struct {
	Key         uint64
	Session     exchange.Session
	Began, Last exchange.Time
}

// Save returns the sessions that the next request can belong to; those with a
// request in flight as if it ended now. With over, those that Modtap tells itself
// are left out: they have been told.
func (t *Table) Save(now exchange.Time, over bool) ([]byte, error) {
	var all []openState
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, o := range s.open {
			if over && o.session.Inferred {
				continue
			}
			last := o.last
			if o.inFlight > 0 {
				last = now
			}
			all = append(all, openState{o.key, o.session, o.began, last})
		}
		s.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b openState) int { return cmp.Or(cmp.Compare(a.Last, b.Last), cmp.Compare(a.Key, b.Key)) })
	return encode(all)
}

// Restore takes over what another Table with the same secret saved. It is called
// before the first request. Its error says that data is no such thing.
func (t *Table) Restore(data []byte) error {
	var all []openState
	if err := decode(data, &all); err != nil {
		return err
	}
	for _, x := range all {
		s := &t.shards[x.Key%shards]
		if s.open[x.Key] != nil {
			continue
		}
		o := &Open{shard: s, key: x.Key, session: x.Session, began: x.Began, last: x.Last}
		s.open[x.Key] = o
		s.rest(o)
	}
	return nil
}

func encode(state any) ([]byte, error) {
	var out bytes.Buffer
	err := gob.NewEncoder(&out).Encode(state)
	return out.Bytes(), err
}

func decode(data []byte, state any) error {
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(state); err != nil {
		return fmt.Errorf("state of the sessions: %w", err)
	}
	return nil
}
