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

	a := to.Attributes()
	a.EnsureCapacity(20)
	a.PutStr(attrSession, sessionID(s.Session))
	a.PutBool(attrInferred, s.Inferred)
	a.PutInt(attrSessionRequests, s.Requests)
	a.PutInt(attrSessionTransferred, s.Bytes)
	a.PutInt(attrSessionFailures, s.Failures)
	if ratio, known := s.HitRatio(); known {
		a.PutDouble(attrSessionHitRatio, ratio)
	}
	if s.SlowestModule != "" {
		a.PutStr(attrSessionSlowestModule, s.SlowestModule)
		putNonEmpty(a, attrSessionSlowestVersion, s.SlowestVersion)
		a.PutDouble(attrSessionSlowestDuration, s.Slowest.Seconds())
	}
	putNonEmpty(a, attrClientAddress, s.Client.Address)
	putNonEmpty(a, attrUserName, s.Client.Name)
	putNonEmpty(a, attrUserAgent, s.UserAgent)
	putCI(a, &s.CI)
}

func sessionID(s exchange.Session) string { return pcommon.TraceID(s.ID).String() }

// putCI adds the job that a client runs in.
func putCI(a pcommon.Map, ci *exchange.CI) {
	if ci.System == "" {
		return
	}
	a.PutStr(attrCISystem, ci.System)
	putNonEmpty(a, attrPipeline, ci.Pipeline)
	putNonEmpty(a, attrPipelineRun, ci.PipelineRun)
	putNonEmpty(a, attrPipelineURL, ci.PipelineURL)
	putNonEmpty(a, attrJob, ci.Job)
	putNonEmpty(a, attrJobRun, ci.JobRun)
	putNonEmpty(a, attrJobURL, ci.JobURL)
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
