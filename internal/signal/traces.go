// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"

	"github.com/modtap/modtap/internal/exchange"
)

var (
	serverLines = lines(func(s *sources) func(*Told) value { return s.server })
	clientLines = lines(func(s *sources) func(*attempt) value { return s.client })
)

// Traces returns the spans of what is told: for an exchange a server span and,
// under it, a client span for each attempt and an internal one for each phase that
// isn't an attempt's; for a session its own.
func Traces(r Resource, told []*Told) ptrace.Traces {
	out := ptrace.NewTraces()
	rs := out.ResourceSpans().AppendEmpty()
	rs.SetSchemaUrl(semconv.SchemaURL)
	r.put(rs.Resource())
	ss := rs.ScopeSpans().AppendEmpty()
	r.putScope(ss.Scope(), scopeName)
	spans := ss.Spans()
	for _, t := range told {
		if t.Session != nil {
			sessionSpan(t.Session, spans)
			continue
		}
		serverSpan(t, spans.AppendEmpty())
		for i := range t.End.Attempts {
			clientSpan(t, &t.End.Attempts[i], spans.AppendEmpty())
		}
		phaseSpans(t, spans)
	}
	return out
}

func serverSpan(t *Told, to ptrace.Span) {
	b, e, v := t.Begin, t.End, t.Verdict
	known, _ := method(b.Method)
	putSpan(to, b.Span)
	to.SetName(spanName(known, t.Request.Route()))
	to.SetKind(ptrace.SpanKindServer)
	to.SetStartTimestamp(timestamp(b.Time))
	to.SetEndTimestamp(timestamp(b.Time.Add(t.elapsed())))
	if v.Outcome.Failure() {
		to.Status().SetCode(ptrace.StatusCodeError)
	}
	if first := t.firstByte(); first > 0 && t.explained() {
		event := to.Events().AppendEmpty()
		event.SetName(eventFirstByte)
		event.SetTimestamp(timestamp(b.Time.Add(first)))
	}
	if !e.Cause.IsZero() {
		putLink(to, e.Cause)
	}
	for _, s := range b.Candidates {
		putLink(to, s)
	}
	if !v.Resumes.IsZero() {
		putLink(to, v.Resumes)
	}
	for _, s := range v.Links {
		putLink(to, s)
	}
	put(serverLines, t, to.Attributes())
}

// eventFirstByte is when the answer's header was sent.
const eventFirstByte = "first_byte"

// fallThrough is the outcome of an attempt that was answered 404 or 410, the
// protocol's "ask the next one", where the next one was asked.
const fallThrough = "fall_through"

func clientSpan(t *Told, at *exchange.Attempt, to ptrace.Span) {
	known, _ := method(at.Method)
	putSpan(to, at.Span)
	to.SetName(spanName(known, at.Request.Route()))
	to.SetKind(ptrace.SpanKindClient)
	to.SetStartTimestamp(timestamp(at.Start))
	to.SetEndTimestamp(timestamp(at.Start.Add(at.Duration)))

	if attemptError(at) != "" && at.Status != 404 && at.Status != 410 {
		to.Status().SetCode(ptrace.StatusCodeError)
	}
	put(clientLines, &attempt{Attempt: at, told: t}, to.Attributes())
}

func putLink(to ptrace.Span, s exchange.Span) {
	link := to.Links().AppendEmpty()
	link.SetTraceID(pcommon.TraceID(s.TraceID))
	link.SetSpanID(pcommon.SpanID(s.SpanID))
}

func putSpan(to ptrace.Span, s exchange.Span) {
	to.SetTraceID(pcommon.TraceID(s.TraceID))
	to.SetSpanID(pcommon.SpanID(s.SpanID))
	to.SetParentSpanID(pcommon.SpanID(s.ParentID))
	to.SetFlags(uint32(s.Flags))
	if s.State != "" {
		to.TraceState().FromRaw(s.State)
	}
}

// spanName follows https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name.
func spanName(method, route string) string {
	if method == methodOther {
		method = "HTTP"
	}
	if route == "" {
		return method
	}
	return method + " " + route
}
