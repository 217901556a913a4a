// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"encoding/binary"
	"hash/fnv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/exchange"
)

const (
	// explainedFrom is the shortest exchange of which logs and traces tell where its
	// time went: below it nobody asks, and most hits are. Metrics have all of them.
	explainedFrom = time.Millisecond
	// A phase is told if it has at least this share of the exchange; those that don't
	// are less than a hundredth together. A span, which is looked at, has ten times that.
	fieldShare = 1000
	spanShare  = 100
)

var (
	phaseLines = lines(func(s *sources) func(*exchange.Part) value { return s.phase })
	// partLines are one a phase, in the order of [exchange.Phase].
	partLines = lines(func(s *sources) func(*exchange.Part) value { return s.part })
)

// explained reports whether it is told where the time of t went.
func (t *Told) explained() bool { return t.elapsed() >= explainedFrom }

// told reports whether a part of t has a share of it that is worth telling.
func (t *Told) told(p *exchange.Part, share int) bool {
	return p.Duration > 0 && p.Duration >= t.elapsed()/time.Duration(share)
}

// putPhases adds the duration of each phase.
func (t *Told) putPhases(a pcommon.Map) {
	if !t.explained() {
		return
	}
	for i := range t.End.Phases {
		if p := &t.End.Phases[i]; t.told(p, fieldShare) {
			partLines[p.Phase].put(p, a)
		}
	}
}

// firstByte is the time until the answer's header was sent; zero: it never was.
func (t *Told) firstByte() time.Duration {
	if t.End.FirstByte == 0 {
		return 0
	}
	return max(1, t.End.FirstByte.Sub(t.Begin.Time))
}

// phaseSpans appends a span below that of t for each phase which the client spans
// of the attempts don't show.
func phaseSpans(t *Told, spans ptrace.SpanSlice) {
	if !t.explained() {
		return
	}
	for i := range t.End.Phases {
		p := &t.End.Phases[i]
		if p.Phase == exchange.PhaseUpstream || p.Phase == exchange.PhaseDownload || !t.told(p, spanShare) {
			continue
		}
		to := spans.AppendEmpty()
		s := t.Begin.Span
		s.SpanID, s.ParentID = phaseSpanID(s.SpanID, p.Phase), s.SpanID
		putSpan(to, s)
		to.SetName(p.Phase.String())
		to.SetKind(ptrace.SpanKindInternal)
		to.SetStartTimestamp(timestamp(max(p.Start, t.Begin.Time)))
		to.SetEndTimestamp(timestamp(min(p.End, t.Begin.Time.Add(t.elapsed()))))
		put(phaseLines, p, to.Attributes())
	}
}

// phaseSpanID is made of the request's span, so that a replay tells the same.
func phaseSpanID(of exchange.SpanID, p exchange.Phase) (id exchange.SpanID) {
	h := fnv.New64a()
	_, _ = h.Write(of[:])
	_, _ = h.Write([]byte{byte(p) + 1})
	binary.BigEndian.PutUint64(id[:], max(1, h.Sum64()))
	return id
}

// addPhases counts the time of a request by phase.
func (m *Metrics) addPhases(t *Told, operation string) {
	for i := range t.End.Phases {
		if p := &t.End.Phases[i]; p.Duration > 0 {
			m.phaseDuration.at(p.Phase.String(), operation).
				add(phaseBoundaries, exemplar{Value: p.Duration.Seconds(), At: p.End, Span: t.Begin.Span})
		}
	}
}
