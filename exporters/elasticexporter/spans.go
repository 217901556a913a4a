// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"encoding/hex"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
)

// ecsNames are the names of the Elastic Common Schema where they differ from
// those of OpenTelemetry; the log records have them already.
var ecsNames = map[string]string{
	string(semconv.HTTPRequestBodySizeKey):  "http.request.body.bytes",
	string(semconv.HTTPResponseBodySizeKey): "http.response.body.bytes",
}

// spanRecord tells a span as a log record, of which internal/document makes the
// document. Its event.id is trace id and span id, so that a span that is sent
// twice is there once.
func spanRecord(span ptrace.Span) plog.LogRecord {
	record := plog.NewLogRecord()
	record.SetTimestamp(span.StartTimestamp())
	record.SetTraceID(span.TraceID())
	record.SetSpanID(span.SpanID())

	a := record.Attributes()
	a.EnsureCapacity(span.Attributes().Len() + 10)
	// First, since of two equal names the first counts.
	trace, id := span.TraceID(), span.SpanID()
	a.PutStr("event.id", hex.EncodeToString(trace[:])+hex.EncodeToString(id[:]))
	a.PutInt("event.duration", max(0, int64(span.EndTimestamp()-span.StartTimestamp())))
	a.PutStr("span.name", span.Name())
	a.PutStr("span.kind", strings.ToLower(span.Kind().String()))
	if parent := span.ParentSpanID(); !parent.IsEmpty() {
		a.PutStr("parent.id", hex.EncodeToString(parent[:]))
	}
	if state := span.TraceState().AsRaw(); state != "" {
		a.PutStr("span.trace_state", state)
	}
	putStatus(a, span.Status())
	putLinks(a, span.Links())
	putEvents(a, span.Events())
	for name, value := range span.Attributes().All() {
		if ecs, ok := ecsNames[name]; ok {
			name = ecs
		}
		if to, taken := a.GetOrPutEmpty(name); !taken {
			value.CopyTo(to)
		}
	}
	return record
}

// putStatus leaves event.outcome out where the span's status is unset.
func putStatus(a pcommon.Map, status ptrace.Status) {
	switch status.Code() {
	case ptrace.StatusCodeError:
		a.PutStr("event.outcome", "failure")
	case ptrace.StatusCodeOk:
		a.PutStr("event.outcome", "success")
	}
	if status.Message() != "" {
		a.PutStr("error.message", status.Message())
	}
}

func putLinks(a pcommon.Map, links ptrace.SpanLinkSlice) {
	if links.Len() == 0 {
		return
	}
	list := a.PutEmptySlice("span.links")
	for _, link := range links.All() {
		trace, id := link.TraceID(), link.SpanID()
		m := list.AppendEmpty().SetEmptyMap()
		m.PutEmptyMap("trace").PutStr("id", hex.EncodeToString(trace[:]))
		m.PutEmptyMap("span").PutStr("id", hex.EncodeToString(id[:]))
		putAttributes(m, link.Attributes())
	}
}

func putEvents(a pcommon.Map, events ptrace.SpanEventSlice) {
	if events.Len() == 0 {
		return
	}
	list := a.PutEmptySlice("span.events")
	for _, event := range events.All() {
		m := list.AppendEmpty().SetEmptyMap()
		m.PutStr("name", event.Name())
		m.PutStr("timestamp", event.Timestamp().AsTime().Format(time.RFC3339Nano))
		putAttributes(m, event.Attributes())
	}
}

// putAttributes keeps the attributes of a link or an event as they are; the
// template has them stored, not indexed.
func putAttributes(m pcommon.Map, attributes pcommon.Map) {
	if attributes.Len() > 0 {
		attributes.CopyTo(m.PutEmptyMap("attributes"))
	}
}
