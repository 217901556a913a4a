// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package summary

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"fmt"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

var (
	_ encoding.BinaryMarshaler   = (*Tracker)(nil)
	_ encoding.BinaryUnmarshaler = (*Tracker)(nil)
)

// trackerState is a Tracker as it is stored.
type trackerState struct {
	Opened uint64
	Open   []trackedState // in the order of their opening
	Idle   []int          // of Open, the longest idle first, by what they wait for
}

type trackedState struct {
	Closed    session.Closed
	Number    uint64
	Unsettled int
	Begun     int64
	Wait      wait
	Left      exchange.Time
}

// MarshalBinary returns all that t knows, but for its settings.
func (t *Tracker) MarshalBinary() ([]byte, error) {
	state := trackerState{Opened: t.opened}
	index := make(map[*tracked]int, len(t.open))
	for i, s := range t.inOrder() {
		index[s] = i
		state.Open = append(state.Open, trackedState{s.Closed, s.number, s.unsettled, s.begun, s.wait, s.left})
	}
	for i := range t.idle {
		for e := t.idle[i].Front(); e != nil; e = e.Next() {
			state.Idle = append(state.Idle, index[e.Value.(*tracked)])
		}
	}
	var out bytes.Buffer
	err := gob.NewEncoder(&out).Encode(state)
	return out.Bytes(), err
}

// UnmarshalBinary takes over what another Tracker knew. It is called before the
// first record. Its error says that data is no such thing.
func (t *Tracker) UnmarshalBinary(data []byte) error {
	var state trackerState
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&state); err != nil {
		return fmt.Errorf("state of the sessions: %w", err)
	}
	all := make([]*tracked, len(state.Open))
	for i, s := range state.Open {
		all[i] = &tracked{Closed: s.Closed, number: s.Number, unsettled: s.Unsettled, begun: s.Begun, wait: min(s.Wait, waits-1), left: s.Left}
		t.open[sessionKey{s.Closed.ID, s.Closed.Root}] = all[i]
		t.bytes += all[i].size()
	}
	for _, i := range state.Idle {
		if i < 0 || i >= len(all) || all[i].idle != nil {
			return fmt.Errorf("state of the sessions: session %d of %d", i, len(all))
		}
		t.rest(all[i])
	}
	t.opened = state.Opened
	return nil
}
