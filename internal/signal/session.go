// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

var sessionLines = lines(func(s *sources) func(*session.Closed) value { return s.session })

// sessionSpan is the parent of a session's server spans, where that is ours to
// tell. A request that failed says nothing of the go command's success, so its
// status stays unset.
func sessionSpan(s *session.Closed, spans ptrace.SpanSlice) {
	root, ours := s.RootSpan()
	if !ours {
		return
	}
	to := spans.AppendEmpty()
	putSpan(to, root)
	to.SetName("go build session")
	to.SetKind(ptrace.SpanKindInternal)
	to.SetStartTimestamp(timestamp(s.Start))
	to.SetEndTimestamp(timestamp(s.End))
	put(sessionLines, s, to.Attributes())
}

// sessionID is goproxy.session.id; none where there is no session.
func sessionID(s exchange.Session) value {
	if s.ID == (exchange.TraceID{}) {
		return value{}
	}
	return text(pcommon.TraceID(s.ID).String())
}

// addSession counts a session that is over.
func (m *Metrics) addSession(s *session.Closed) {
	span := s.First
	if root, ours := s.RootSpan(); ours {
		span = root
	}
	inferred := strconv.FormatBool(s.Inferred)
	m.sessionDuration.at(inferred).
		add(sessionDuration.Boundaries, exemplar{Value: s.End.Sub(s.Start).Seconds(), At: s.End, Span: span})
	m.sessionRequests.at(inferred).
		add(sessionRequests.Boundaries, exemplar{Value: float64(s.Requests), At: s.End, Span: span})
}
