// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// The attributes that something here depends on.
const (
	attrID       = "event.id"
	attrDuration = "event.duration" // ns
)

// timeFormat is RFC 3339 with all nine digits, so that text order is time order.
const timeFormat = "2006-01-02T15:04:05.000000000Z"

// Time is the time of record: when it happened, or when it was observed if that
// is unset. It is in UTC. The document's @timestamp and the date of its index
// both come from here.
func Time(record plog.LogRecord) time.Time {
	if ts := record.Timestamp(); ts != 0 {
		return ts.AsTime()
	}
	return record.ObservedTimestamp().AsTime()
}

// ID is the identity of the document, the attribute event.id of record. It is
// empty if the record has none; such a record can't be told from its copy.
func ID(record plog.LogRecord) string {
	id, ok := record.Attributes().Get(attrID)
	if !ok {
		return ""
	}
	return id.AsString()
}

// Encoder writes documents. It keeps memory from one document to the next, so
// one that is reused makes next to no garbage. The zero value is ready; an
// Encoder must not be used by two goroutines at once.
type Encoder struct {
	// fields are those that the documents of a batch have in common, the document's at
	// work and, above them, as on a stack, the keys of the maps that are being written.
	fields []field
	shared int    // how many of them are common
	shapes shapes // of documents before
}

// field is a name and where its value is to be found.
type field struct {
	name   string
	value  pcommon.Value // Only if source is fromAttribute.
	order  int           // Of two fields with one name the lower order wins.
	source source
}

// The orders of precedence: what a record says itself, its attributes, those of its
// scope and of its resource; then what is only another name of something.
const (
	orderAttributes = 1 << 8
	orderShared     = 1 << 28
	orderDerived    = 1 << 29
)

type source uint8

const (
	fromAttribute source = iota
	fromTimestamp
	fromTraceID
	fromSpanID
	fromBody
	fromSeverity
	fromEnd
)

// Within says which resource and scope the records that follow are of. They must not
// change before the last of them is written.
func (e *Encoder) Within(resource pcommon.Resource, scope pcommon.InstrumentationScope) {
	clear(e.fields)
	e.fields = e.fields[:0]
	e.addAttributes(scope.Attributes(), orderShared)
	e.addAttributes(resource.Attributes(), orderShared)
	e.shared = len(e.fields)
}

// AppendJSON appends the document of record to dst and returns the extended
// slice. It is one JSON object without a line break, whatever the record holds.
func (e *Encoder) AppendJSON(dst []byte, record plog.LogRecord) []byte {
	e.collect(record)
	shape := e.shapes.of(e.fields)
	for i := range shape.steps {
		dst = append(dst, shape.steps[i].lead...)
		dst = e.appendSource(dst, &e.fields[shape.steps[i].field], record)
	}
	dst = append(dst, shape.end...)
	clear(e.fields[e.shared:]) // Otherwise the record would live as long as the encoder.
	e.fields = e.fields[:e.shared]
	return dst
}

// collect lists the fields of the document.
func (e *Encoder) collect(record plog.LogRecord) {
	e.add(nameTimestamp, fromTimestamp, 0)
	if !record.TraceID().IsEmpty() {
		e.add(nameTraceID, fromTraceID, 0)
	}
	if !record.SpanID().IsEmpty() {
		e.add(nameSpanID, fromSpanID, 0)
	}
	if record.Body().Type() != pcommon.ValueTypeEmpty {
		e.add(nameMessage, fromBody, 0)
	}
	if record.SeverityText() != "" {
		e.add(nameLevel, fromSeverity, 0)
	}
	e.addAttributes(record.Attributes(), orderAttributes)
	if duration, ok := record.Attributes().Get(attrDuration); ok && duration.Type() == pcommon.ValueTypeInt {
		e.add(nameStart, fromTimestamp, orderDerived)
		e.add(nameEnd, fromEnd, orderDerived)
	}
}

func (e *Encoder) add(name string, from source, order int) {
	e.fields = append(e.fields, field{name: name, source: from, order: order})
}

// addAttributes adds attributes with at least this order, and by the names that ECS has
// for them.
func (e *Encoder) addAttributes(attributes pcommon.Map, order int) {
	for name, value := range attributes.All() {
		e.fields = append(e.fields, field{name: fieldName(name), value: value, order: order + len(e.fields)})
		if ecs := ecsName(name); ecs != "" && fits(ecs, value) {
			e.fields = append(e.fields, field{name: ecs, value: value, order: orderDerived + order + len(e.fields)})
		}
	}
}

func (e *Encoder) appendSource(dst []byte, f *field, record plog.LogRecord) []byte {
	switch f.source {
	case fromTimestamp:
		dst = append(dst, '"')
		dst = Time(record).AppendFormat(dst, timeFormat)
		return append(dst, '"')
	case fromEnd:
		duration, _ := record.Attributes().Get(attrDuration)
		dst = append(dst, '"')
		dst = Time(record).Add(time.Duration(duration.Int())).AppendFormat(dst, timeFormat)
		return append(dst, '"')
	case fromTraceID:
		id := record.TraceID()
		return appendHex(dst, id[:])
	case fromSpanID:
		id := record.SpanID()
		return appendHex(dst, id[:])
	case fromBody:
		if body := record.Body(); body.Type() != pcommon.ValueTypeStr {
			return appendString(dst, body.AsString())
		}
		return appendString(dst, record.Body().Str())
	case fromSeverity:
		return appendString(dst, record.SeverityText())
	default:
		return e.appendValue(dst, f.value, 0)
	}
}
