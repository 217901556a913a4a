// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/binary"

	"github.com/modtap/modtap/internal/exchange"
)

// A log tells of a request when it is over, and of a session's requests in the order of
// their ends. So a session may have been closed, as nothing was heard of it for an idle
// gap, and then the line of a download comes that belongs to it.

// Whole is [Table.Choose] and [Open.Done] of a request that is known only now that it is
// over; reached is what the time is by the clock that closes the sessions. A request of
// a session that is closed by then begins another part of it, below the first. The key
// is what [Table.Resume] needs.
func (t *Table) Whole(began, ended, reached exchange.Time, who Key, remote exchange.Span) (exchange.Span, exchange.Session, []byte) {
	who.reached = reached
	span, session, use := t.Choose(began, who, remote)
	key := use.open.resumeKey()
	use.Done(ended)
	return span, session, key
}

// closed reports whether the session's end was told by reached.
func (o *Open) closed(reached exchange.Time, s *Settings) bool {
	return reached != 0 && reached.Sub(o.last) >= s.Gap(o.job)+s.Late
}

// The flags of a resume key, behind the key and the owner.
const (
	resumeStranger byte = 1 << iota
	resumeJob
	resumeSize = 8 + 8 + 1
)

// resumeKey returns what a record has of o beside the session itself.
func (o *Open) resumeKey() []byte {
	o.shard.mu.Lock()
	defer o.shard.mu.Unlock()
	x := o.state(0)
	key := binary.LittleEndian.AppendUint64(make([]byte, 0, resumeSize), x.Key)
	key = binary.LittleEndian.AppendUint64(key, x.Owner)
	var flags byte
	if x.Stranger {
		flags |= resumeStranger
	}
	if x.Job {
		flags |= resumeJob
	}
	return append(key, flags)
}

// Resume notes what an earlier run chose by [Table.Whole], as its record has it. It is
// called in the order of the records, after [Table.Restore].
func (t *Table) Resume(key []byte, b *exchange.Begin, e *exchange.End) {
	if len(key) < resumeSize {
		return
	}
	x := openState{
		Key: binary.LittleEndian.Uint64(key), Owner: binary.LittleEndian.Uint64(key[8:]),
		Stranger: key[16]&resumeStranger != 0, Job: key[16]&resumeJob != 0,
		Session: b.Session, Began: b.Time, Last: e.Time,
	}
	trace := x.claims(t)
	s := t.shardFor(&x, trace)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.open[x.Key]
	if old != nil && old.session.ID == x.Session.ID && old.session.Root == x.Session.Root {
		old.last = max(old.last, x.Last)
		old.rest()
		return
	}
	t.put(s, &x, trace)
	if old != nil {
		old.leave()
	}
	s.trim(b.Time, t)
}
