// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// began is when the spans of the tests begin; Jaeger's query API finds those of the
// last hours only.
func began() time.Time { return time.Now().Add(-time.Minute).Truncate(time.Second) }

// words are names and values of more than one alphabet.
var words = []string{
	"GET /{module}/@v/{version}.zip", "go build session", "github.com/pkg/errors", "v0.0.0-20260101000000-abcdefabcdef", "größer als nötig",
	"模块代理", "прокси", "🐹 gopher", "tab\tnewline\n\"quote\"\\", "a", "z͑ͫa̴l̕g̢o",
}

// varied makes traces of all shapes out of a seed, n spans in all.
func varied(seed uint64, n int, start time.Time) ptrace.Traces {
	v := &variation{rand.New(rand.NewPCG(seed, 0)), start}
	traces := ptrace.NewTraces()
	var trace []pcommon.SpanID // Of the trace that is being made.
	var id pcommon.TraceID
	for made := 0; made < n; {
		inResource := traces.ResourceSpans().AppendEmpty()
		v.resource(inResource.Resource(), traces.ResourceSpans().Len())
		for range 1 + v.IntN(3) {
			inScope := inResource.ScopeSpans().AppendEmpty()
			if v.IntN(4) > 0 {
				inScope.Scope().SetName(v.word())
				inScope.Scope().SetVersion("1." + v.word())
				inScope.Scope().Attributes().PutStr("scope.attribute", v.word())
			}
			for range 1 + v.IntN(8) {
				if made == n {
					break
				}
				if len(trace) == 0 || v.IntN(5) == 0 {
					id, trace = v.traceID(), nil
				}
				span := inScope.Spans().AppendEmpty()
				v.span(span, id, trace)
				trace = append(trace, span.SpanID())
				made++
			}
		}
	}
	return traces
}

type variation struct {
	*rand.Rand

	start time.Time
}

func (v *variation) word() string { return words[v.IntN(len(words))] }

func (v *variation) traceID() (id pcommon.TraceID) {
	binary.BigEndian.PutUint64(id[:], v.Uint64())
	binary.BigEndian.PutUint64(id[8:], v.Uint64())
	return id
}

func (v *variation) spanID() (id pcommon.SpanID) {
	binary.BigEndian.PutUint64(id[:], v.Uint64())
	return id
}

func (v *variation) resource(resource pcommon.Resource, n int) {
	resource.Attributes().PutStr("service.name", []string{"goproxy", "агент"}[n%2])
	resource.Attributes().PutInt("resource.number", int64(n))
	v.attributes(resource.Attributes(), 3)
}

func (v *variation) span(span ptrace.Span, id pcommon.TraceID, before []pcommon.SpanID) {
	span.SetTraceID(id)
	span.SetSpanID(v.spanID())
	if len(before) > 0 {
		span.SetParentSpanID(before[v.IntN(len(before))])
	}
	span.SetName(v.word())
	span.SetKind(ptrace.SpanKind(v.IntN(6)))
	span.SetFlags(uint32(v.IntN(4)))
	if v.IntN(4) == 0 {
		span.TraceState().FromRaw("modtap=root,other=1")
	}
	start := v.start.Add(time.Duration(v.Int64N(int64(30 * time.Second))))
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(v.duration())))
	span.Status().SetCode(ptrace.StatusCode(v.IntN(3)))
	if span.Status().Code() == ptrace.StatusCodeError && v.IntN(2) == 0 {
		span.Status().SetMessage(v.word())
	}
	v.attributes(span.Attributes(), 8)
	for i := range v.IntN(4) {
		event := span.Events().AppendEmpty()
		event.SetName(v.word())
		event.SetTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(i) * 1234567)))
		v.attributes(event.Attributes(), 4)
		if v.IntN(8) == 0 {
			event.Attributes().PutStr("event", "an attribute of that name")
		}
		event.SetDroppedAttributesCount(uint32(v.IntN(2)))
	}
	for range v.IntN(3) {
		link := span.Links().AppendEmpty()
		link.SetTraceID(v.traceID())
		link.SetSpanID(v.spanID())
		link.Attributes().PutStr("link.attribute", v.word())
		if v.IntN(3) == 0 {
			link.Attributes().PutStr("opentracing.ref_type", "child_of")
		}
	}
	if !span.ParentSpanID().IsEmpty() && v.IntN(10) == 0 { // Parent and link are one span.
		link := span.Links().AppendEmpty()
		link.SetTraceID(id)
		link.SetSpanID(span.ParentSpanID())
	}
	span.SetDroppedAttributesCount(uint32(v.IntN(2)))
	span.SetDroppedEventsCount(uint32(v.IntN(2)))
	span.SetDroppedLinksCount(uint32(v.IntN(2)))
}

// duration is now and then below a microsecond, nothing, or less.
func (v *variation) duration() time.Duration {
	switch v.IntN(20) {
	case 0:
		return time.Duration(1 + v.IntN(999))
	case 1:
		return 0
	case 2:
		return -time.Duration(v.IntN(1_000_000))
	}
	return time.Microsecond + time.Duration(v.Int64N(int64(time.Minute)))
}

// attributes puts up to most of all types. Names are in turn, so that each occurs
// once.
func (v *variation) attributes(to pcommon.Map, most int) {
	for i := range v.IntN(most + 1) {
		key := fmt.Sprintf("attribute.%d.%s", i, v.word())
		switch v.IntN(9) {
		case 0:
			to.PutStr(key, v.word())
		case 1:
			to.PutStr(key, "")
		case 2:
			to.PutBool(key, v.IntN(2) == 0)
		case 3:
			to.PutInt(key, []int64{0, -1, 1 << 53, math.MaxInt64, math.MinInt64, v.Int64()}[v.IntN(6)])
		case 4:
			to.PutDouble(key, []float64{0, -0.5, 1e300, math.SmallestNonzeroFloat64, v.NormFloat64()}[v.IntN(5)])
		case 5:
			to.PutEmptyBytes(key).FromRaw([]byte(v.word())[:v.IntN(2)])
		case 6:
			list := to.PutEmptySlice(key)
			list.AppendEmpty().SetStr(v.word())
			list.AppendEmpty().SetInt(v.Int64())
		case 7:
			inner := to.PutEmptyMap(key)
			inner.PutStr("inner", v.word())
			inner.PutEmptySlice("list").AppendEmpty().SetBool(true)
		case 8:
			to.PutEmpty(key)
		}
	}
}
