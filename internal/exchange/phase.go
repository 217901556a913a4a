// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/binary"
	"time"
)

// Phase is what the time of an exchange goes by with. Of phases that run at once the
// later one counts: what is done within another, or what everything else waits for.
type Phase uint8

// The phases, the outer ones first.
const (
	// PhaseJournal is the writing of the request's record, which waits where the
	// journal's disk does.
	PhaseJournal Phase = iota
	// PhaseCoalesced is the wait for the fetch of another request for the same file.
	PhaseCoalesced
	// PhaseCache is the look into the embedded proxy's cache, and the reading of what is
	// sent from there, as far as the system doesn't do it while it sends (HTTP/1.1).
	PhaseCache
	// PhaseVerify is the check of what was fetched: unpacked, hashed and compared with
	// the checksum database. What is asked of that is upstream and download.
	PhaseVerify
	// PhaseStore is the writing of what was fetched, to the disk's own confirmation.
	PhaseStore
	// PhaseUpstream is the wait for an upstream's header, or for version control:
	// from the request on, connecting included.
	PhaseUpstream
	// PhaseDownload is the wait for the bytes of an upstream's body.
	PhaseDownload
	// PhaseQueue is the wait for a turn: for one of the slots of version control, for
	// room in the cache, for who is finding out where a checksum database is, for a
	// processor: to go on when what was waited for is there, and wherever the exchange
	// stands still though it waits for nothing else.
	PhaseQueue
	// PhaseRetry is the pause before a request is sent again.
	PhaseRetry
	// PhaseSend is the writing of the answer: the client takes it, or doesn't.
	PhaseSend

	// Phases is how many there are.
	Phases
)

var phaseNames = [Phases]string{"journal", "coalesced", "cache", "verify", "store", "upstream", "download", "queue", "retry", "send"}

// String returns the value of the attribute goproxy.phase; empty: there is no such
// phase.
func (p Phase) String() string {
	if p >= Phases {
		return ""
	}
	return phaseNames[p]
}

// Part is the time of an exchange in one phase. The parts of an exchange add up to
// no more than its duration.
type Part struct {
	Phase Phase
	// Start and End are when the phase began first and ended last. Others may have
	// run in between, or beside it.
	Start, End Time
	// Duration is the time that only this phase explains.
	Duration time.Duration
}

// appendParts appends what of parts took any time, with offsets from the record's own
// time: small numbers instead of instants.
func appendParts(dst []byte, parts []Part, end Time) []byte {
	if len(parts) == 0 {
		return dst
	}
	parts = parts[:min(len(parts), int(Phases))]
	dst, at := openField(dst, endPhases)
	for i := range parts {
		p := &parts[i]
		if p.Duration <= 0 {
			continue
		}
		dst = append(dst, byte(p.Phase))
		dst = binary.AppendUvarint(dst, uint64(max(0, end.Sub(p.Start))))
		dst = binary.AppendUvarint(dst, uint64(max(0, p.End.Sub(p.Start))))
		dst = binary.AppendUvarint(dst, uint64(p.Duration))
	}
	if len(dst) == at {
		return dst[:at-3]
	}
	return closeField(dst, at)
}

func (d *decoder) parts(end Time) (parts []Part) {
	for d.s != "" && !d.bad {
		p := Part{Phase: Phase(d.byte())}
		p.Start = end - Time(d.uvarint())
		p.End = p.Start + Time(d.uvarint())
		p.Duration = time.Duration(d.uvarint())
		switch {
		case p.Duration <= 0 || p.Start > end || p.End < p.Start:
			d.bad = true
		case p.Phase < Phases && len(parts) < int(Phases): // a newer Modtap's is skipped
			parts = append(parts, p)
		}
	}
	return parts
}
