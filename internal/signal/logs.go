// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"encoding/hex"
	"regexp"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// Logs returns one record for each exchange; a session has none.
func Logs(r Resource, told []*Told) plog.Logs {
	out := plog.NewLogs()
	rl := out.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl(semconv.SchemaURL)
	r.put(rl.Resource())
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(scopeName)
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
	b, e, v := t.Begin, t.End, t.Verdict
	to.SetTimestamp(timestamp(b.Time))
	to.SetObservedTimestamp(timestamp(e.Time))
	to.SetTraceID(pcommon.TraceID(b.Span.TraceID))
	to.SetSpanID(pcommon.SpanID(b.Span.SpanID))
	to.SetFlags(plog.DefaultLogRecordFlags.WithIsSampled(b.Span.Flags&1 == 1))

	a := to.Attributes()
	a.EnsureCapacity(24)
	a.PutStr(AttrEventID, t.EventID)
	a.PutInt(attrEventDuration, int64(t.elapsed()))
	a.PutStr(attrMethod, b.Method)
	putPositive(a, attrStatus, int64(e.Status))
	a.PutInt(attrBodyBytes, e.BodySize)
	a.PutStr(attrPath, b.Path)
	putNonEmpty(a, attrClientAddress, b.Client.Address)
	putPositive(a, attrClientPort, int64(b.Client.Port))
	putNonEmpty(a, attrUserName, b.Client.Name)
	putNonEmpty(a, attrUserAgent, b.UserAgent)
	putCI(a, &b.CI)
	putNonEmpty(a, attrErrorType, v.ErrorType)
	a.PutInt(attrSchema, Schema)
	t.put(a)
	if age, ok := moduleAge(t); ok {
		a.PutInt(attrModuleAge, age)
	}
	t.putPhases(a)
	if len(e.Attempts) > 0 {
		upstream(t, a.PutEmptySlice(attrUpstream))
	}
}

// put adds what spans and logs say alike of the module and the verdict.
func (t *Told) put(a pcommon.Map) {
	a.PutStr(attrSide, t.Begin.Side.String())
	a.PutStr(attrOperation, t.Request.Operation.String())
	putNonEmpty(a, attrModulePath, t.Request.Module)
	putNonEmpty(a, attrModuleVersion, t.Request.Version)
	putNonEmpty(a, attrPathPrefix, t.Request.Prefix)
	putNonEmpty(a, attrCacheResult, string(t.Verdict.Result))
	putNonEmpty(a, attrCacheEvidence, string(t.Verdict.Evidence))
	putNonEmpty(a, attrMissReason, t.Verdict.MissReason)
	a.PutStr(attrOutcome, string(t.Verdict.Outcome))
	putNonEmpty(a, attrLeakPattern, t.End.Leak)
	if first := t.Verdict.Resumes; !first.IsZero() {
		a.PutStr(attrResumes, hex.EncodeToString(first.SpanID[:]))
	}
	if s := t.Begin.Session; s.ID != (exchange.TraceID{}) {
		a.PutStr(attrSession, sessionID(s))
		if s.Inferred {
			a.PutBool(attrInferred, true)
		}
	}
}

// upstream lists the attempts: address, url, status, duration and time to the first
// byte (ns), and the reason for which the next one was asked.
func upstream(t *Told, to pcommon.Slice) {
	to.EnsureCapacity(len(t.End.Attempts))
	for i := range t.End.Attempts {
		at := &t.End.Attempts[i]
		m := to.AppendEmpty().SetEmptyMap()
		putNonEmpty(m, "address", at.Address)
		putNonEmpty(m, "url", at.URL)
		putPositive(m, "status", int64(at.Status))
		m.PutInt("duration", int64(at.Duration))
		putPositive(m, "first_byte", int64(at.FirstByte))
		m.PutInt("bytes", at.BodySize)
		putNonEmpty(m, "error", at.Error)
		putNonEmpty(m, "reason", at.Reason)
	}
}

// moduleAge is how old the version was when it was asked for, in seconds, from
// the Time of its .info (https://go.dev/ref/mod#goproxy-protocol).
func moduleAge(t *Told) (int64, bool) {
	if t.Request.Operation != goproxy.Info || t.End.Status != 200 || len(t.End.Answer) == 0 {
		return 0, false
	}
	at, ok := infoTime(t.End.Answer)
	if !ok {
		return 0, false
	}
	return max(0, int64(t.Begin.Time.Sub(exchange.Time(at.UnixNano()))/time.Second)), true
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
