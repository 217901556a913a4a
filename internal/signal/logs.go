// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"regexp"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

var (
	scopeLines    = lines(func(s *sources) func(*Resource) value { return s.scope })
	documentLines = lines(func(s *sources) func(*Told) value { return s.document })
	upstreamLines = upstreamFields(lines(func(s *sources) func(*attempt) value { return s.upstream }))
)

// upstreamFields names lines as the entries of goproxy.upstream have them.
func upstreamFields(set []line[*attempt]) []line[*attempt] {
	for i := range set {
		set[i].name = strings.TrimPrefix(set[i].name, attrUpstream+".")
	}
	return set
}

// Logs returns one record for each exchange; a session has none.
func Logs(r Resource, told []*Told) plog.Logs {
	out := plog.NewLogs()
	rl := out.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl(semconv.SchemaURL)
	r.put(rl.Resource())
	sl := rl.ScopeLogs().AppendEmpty()
	r.putScope(sl.Scope(), scopeName)
	put(scopeLines, &r, sl.Scope().Attributes())
	records := sl.LogRecords()
	records.EnsureCapacity(len(told))
	for _, t := range told {
		if t.HasRecord() {
			record(t, records.AppendEmpty())
		}
	}
	return out
}

func record(t *Told, to plog.LogRecord) {
	b, e := t.Begin, t.End
	to.SetTimestamp(timestamp(b.Time))
	to.SetObservedTimestamp(timestamp(e.Time))
	to.SetTraceID(pcommon.TraceID(b.Span.TraceID))
	to.SetSpanID(pcommon.SpanID(b.Span.SpanID))
	severity(t.Verdict.Outcome, to)
	to.Body().SetStr(t.message())
	to.SetFlags(plog.DefaultLogRecordFlags.WithIsSampled(b.Span.Flags&1 == 1))

	a := to.Attributes()
	put(documentLines, t, a)
	t.putPhases(a)
	if len(e.Attempts) > 0 {
		upstream(t, a.PutEmptySlice(attrUpstream))
	}
}

// upstream lists the attempts.
func upstream(t *Told, to pcommon.Slice) {
	to.EnsureCapacity(len(t.End.Attempts))
	for i := range t.End.Attempts {
		put(upstreamLines, &attempt{Attempt: &t.End.Attempts[i], told: t}, to.AppendEmpty().SetEmptyMap())
	}
}

// moduleAge is how old the version was when it was asked for, from
// the Time of its .info (https://go.dev/ref/mod#goproxy-protocol).
func moduleAge(t *Told) value {
	if t.Request.Operation != goproxy.Info || t.End.Status != 200 || len(t.End.Answer) == 0 {
		return value{}
	}
	at, ok := infoTime(t.End.Answer)
	if !ok {
		return value{}
	}
	return number(max(0, int64(t.Begin.Time.Sub(exchange.Time(at.UnixNano())))))
}

// timeField is the Time of an .info; the body may be cut behind it.
var timeField = regexp.MustCompile(`"Time"\s*:\s*"([^"]+)"`)

func infoTime(info []byte) (time.Time, bool) {
	m := timeField.FindSubmatch(info)
	if m == nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, string(m[1]))
	return at, err == nil && at.Year() > 1
}
