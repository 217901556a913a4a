// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"encoding/binary"
	"time"

	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
)

// Names that Jaeger and the rules for exporters to formats other than OTLP give
// what its model has no field for:
// https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/
const (
	spanKindKey   = "span.kind"
	errorKey      = "error"
	eventNameKey  = "event"
	traceStateKey = "w3c.tracestate"

	droppedAttributesKey = "otel.dropped_attributes_count"
	droppedEventsKey     = "otel.dropped_events_count"
	droppedLinksKey      = "otel.dropped_links_count"
)

// sampledFlag is the same bit in W3C's trace flags and in Jaeger's.
const sampledFlag = 1

// newBatch translates the spans of one resource, in their order. What Jaeger's
// model can't hold is left out: link attributes, trace states of links, scope
// attributes, schema URLs, and time below a microsecond.
func newBatch(inResource ptrace.ResourceSpans) *jaeger.Batch {
	batch := &jaeger.Batch{Process: newProcess(inResource.Resource())}
	for _, inScope := range inResource.ScopeSpans().All() {
		for _, span := range inScope.Spans().All() {
			batch.Spans = append(batch.Spans, newSpan(span, inScope.Scope()))
		}
	}
	return batch
}

// newProcess keeps an absent service.name empty: Jaeger has a name for that.
func newProcess(resource pcommon.Resource) *jaeger.Process {
	process := new(jaeger.Process)
	for key, value := range resource.Attributes().All() {
		if key == string(semconv.ServiceNameKey) {
			process.ServiceName = value.AsString()
			continue
		}
		process.Tags = append(process.Tags, newTag(key, value))
	}
	return process
}

func newSpan(from ptrace.Span, scope pcommon.InstrumentationScope) *jaeger.Span {
	high, low := traceID(from.TraceID())
	start, end := from.StartTimestamp().AsTime(), from.EndTimestamp().AsTime()
	return &jaeger.Span{
		TraceIdHigh:   high,
		TraceIdLow:    low,
		SpanId:        spanID(from.SpanID()),
		ParentSpanId:  spanID(from.ParentSpanID()),
		OperationName: from.Name(),
		References:    newReferences(from),
		Flags:         int32(from.Flags() & sampledFlag),
		StartTime:     start.UnixMicro(),
		Duration:      int64(end.Sub(start) / time.Microsecond),
		Tags:          newSpanTags(from, scope),
		Logs:          newLogs(from.Events()),
	}
}

func traceID(id pcommon.TraceID) (high, low int64) {
	return int64(binary.BigEndian.Uint64(id[:8])), int64(binary.BigEndian.Uint64(id[8:]))
}

func spanID(id pcommon.SpanID) int64 { return int64(binary.BigEndian.Uint64(id[:])) }

// newReferences has the parent first, where Jaeger looks for it, and makes each link
// a FOLLOWS_FROM, unless its attribute says that it was a CHILD_OF in OpenTracing.
// A span that is both parent and link is one reference, of the link's kind: so does
// Jaeger's OTLP ingest.
func newReferences(from ptrace.Span) []*jaeger.SpanRef {
	var references []*jaeger.SpanRef
	isParent := func(ptrace.SpanLink) bool { return false }
	if parent := from.ParentSpanID(); !parent.IsEmpty() {
		references = append(references, newReference(jaeger.SpanRefType_CHILD_OF, from.TraceID(), parent))
		isParent = func(link ptrace.SpanLink) bool { return link.TraceID() == from.TraceID() && link.SpanID() == parent }
	}
	for _, link := range from.Links().All() {
		kind := jaeger.SpanRefType_FOLLOWS_FROM
		if told, ok := link.Attributes().Get(string(semconv.OpenTracingRefTypeKey)); ok &&
			told.AsString() == semconv.OpenTracingRefTypeChildOf.Value.AsString() {
			kind = jaeger.SpanRefType_CHILD_OF
		}
		if isParent(link) {
			references[0].RefType = kind
			continue
		}
		references = append(references, newReference(kind, link.TraceID(), link.SpanID()))
	}
	return references
}

func newReference(kind jaeger.SpanRefType, trace pcommon.TraceID, span pcommon.SpanID) *jaeger.SpanRef {
	high, low := traceID(trace)
	return &jaeger.SpanRef{RefType: kind, TraceIdHigh: high, TraceIdLow: low, SpanId: spanID(span)}
}

func newSpanTags(from ptrace.Span, scope pcommon.InstrumentationScope) []*jaeger.Tag {
	tags := make([]*jaeger.Tag, 0, from.Attributes().Len()+6)
	tags = appendText(tags, string(semconv.OTelScopeNameKey), scope.Name())
	tags = appendText(tags, string(semconv.OTelScopeVersionKey), scope.Version())
	tags = appendAttributes(tags, from.Attributes())
	tags = appendText(tags, spanKindKey, kindName(from.Kind()))
	switch from.Status().Code() {
	case ptrace.StatusCodeOk:
		tags = append(tags, textTag(string(semconv.OTelStatusCodeKey), semconv.OTelStatusCodeOk.Value.AsString()))
	case ptrace.StatusCodeError:
		tags = append(tags, textTag(string(semconv.OTelStatusCodeKey), semconv.OTelStatusCodeError.Value.AsString()), boolTag(errorKey, true))
	}
	tags = appendText(tags, string(semconv.OTelStatusDescriptionKey), from.Status().Message())
	tags = appendText(tags, traceStateKey, from.TraceState().AsRaw())
	tags = appendCount(tags, droppedAttributesKey, from.DroppedAttributesCount())
	tags = appendCount(tags, droppedEventsKey, from.DroppedEventsCount())
	return appendCount(tags, droppedLinksKey, from.DroppedLinksCount())
}

func kindName(kind ptrace.SpanKind) string {
	switch kind {
	case ptrace.SpanKindInternal:
		return "internal"
	case ptrace.SpanKindServer:
		return "server"
	case ptrace.SpanKindClient:
		return "client"
	case ptrace.SpanKindProducer:
		return "producer"
	case ptrace.SpanKindConsumer:
		return "consumer"
	}
	return ""
}

// newLogs makes an event's name the field "event", unless an attribute has taken
// that name.
func newLogs(events ptrace.SpanEventSlice) []*jaeger.Log {
	var logs []*jaeger.Log
	for _, event := range events.All() {
		fields := make([]*jaeger.Tag, 0, event.Attributes().Len()+1)
		if _, taken := event.Attributes().Get(eventNameKey); !taken {
			fields = appendText(fields, eventNameKey, event.Name())
		}
		fields = appendAttributes(fields, event.Attributes())
		fields = appendCount(fields, droppedAttributesKey, event.DroppedAttributesCount())
		logs = append(logs, &jaeger.Log{Timestamp: event.Timestamp().AsTime().UnixMicro(), Fields: fields})
	}
	return logs
}
