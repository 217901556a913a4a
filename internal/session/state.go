// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"cmp"
	"encoding/gob"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/modtap/modtap/internal/exchange"
)

// openState is an Open as it is stored.
type openState struct {
	Key         uint64
	Session     exchange.Session
	Began, Last exchange.Time
	// Owner is the client whose trace it is. Zero: it is nobody's, as Stranger says,
	// or written before owners were kept.
	Owner    uint64
	Stranger bool
	Job      bool
	// Crowd is where a go command's session belongs that its connections told, and Asked
	// what it asked for. Zero: it is none.
	Crowd           uint64
	Asked           []uint64
	Zips, Supported bool
}

// claims returns the hash of the trace that the session has claimed; zero: none.
func (x *openState) claims(t *Table) uint64 {
	if x.Session.Inferred || x.Stranger {
		return 0
	}
	return t.traceHash(x.Session.ID)
}

// Save returns the sessions that the next request can belong to; those with a
// request in flight as if it ended now. With over, those that nothing can join any
// more are left out: they have been told, and only a client's own trace goes on.
func (t *Table) Save(now exchange.Time, over bool) ([]byte, error) {
	var all []openState
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, o := range s.open {
			if over && o.claim == 0 {
				continue
			}
			all = append(all, o.state(now))
		}
		s.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b openState) int { return cmp.Or(cmp.Compare(a.Last, b.Last), cmp.Compare(a.Key, b.Key)) })
	return encode(all)
}

// state returns o as if its requests in flight ended now; its shard is locked.
func (o *Open) state(now exchange.Time) openState {
	x := openState{
		Key: o.key, Session: o.session, Began: o.began, Last: o.last, Job: o.job,
		Owner: o.shard.claims[o.claim].owner, Stranger: o.claim == 0 && !o.session.Inferred,
	}
	if o.inFlight > 0 || len(o.conns) > 0 {
		x.Last = now
	}
	if m := o.command; m != nil {
		x.Crowd, x.Zips, x.Supported = m.crowd.key, m.zips, m.supported != 0
		x.Asked = slices.Sorted(maps.Keys(m.asked))
	}
	return x
}

// gone is the number of a connection that the process before had.
const gone = math.MaxUint64

// command returns what is known of the go command that x is of; nil: it is none's.
// Its connections are gone, so it may come back with others.
func (x *openState) command(s *shard) *command {
	if x.Crowd == 0 {
		return nil
	}
	m := &command{crowd: s.crowd(x.Crowd), zips: x.Zips, broken: true}
	if x.Supported {
		m.supported = gone
	}
	if n := min(len(x.Asked), maxAsked, maxAskedShard-s.asked); n > 0 {
		m.asked = make(map[uint64]asked, n)
		for _, file := range x.Asked[:n] {
			m.asked[file] = asked{conn: gone, answered: x.Last}
		}
		s.asked += len(m.asked)
	}
	return m
}

// Restore takes over what another Table with the same secret saved. It is called
// before the first request. Its error says that data is no such thing.
func (t *Table) Restore(data []byte) error {
	var all []openState
	if err := decode(data, &all); err != nil {
		return err
	}
	for i := range all {
		x := &all[i]
		trace := x.claims(t)
		if s := t.shardFor(x, trace); s.open[x.Key] == nil {
			t.put(s, x, trace)
		}
	}
	return nil
}

// shardFor returns the shard that x belongs to, which has claimed trace, if any.
func (t *Table) shardFor(x *openState, trace uint64) *shard {
	return &t.shards[cmp.Or(trace, x.Key)%shards]
}

// put takes x over, in the place of who is there.
func (t *Table) put(s *shard, x *openState, trace uint64) {
	o := &Open{shard: s, key: x.Key, session: x.Session, began: x.Began, last: x.Last, job: x.Job, width: 1}
	if o.command = x.command(s); o.command != nil {
		in := o.command.crowd
		in.commands = append(in.commands, o)
	}
	if trace != 0 {
		o.hold(trace, x.Owner)
	}
	s.open[x.Key] = o
	o.rest()
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
