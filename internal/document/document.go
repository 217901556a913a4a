// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
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
	id, ok := record.Attributes().Get("event.id")
	if !ok {
		return ""
	}
	return id.AsString()
}

// Encoder writes documents. It keeps memory from one document to the next, so
// one that is reused makes next to no garbage. The zero value is ready; an
// Encoder must not be used by two goroutines at once.
type Encoder struct {
	// fields is the document at work, and above it, as on a stack, the keys of
	// the maps that are being written.
	fields []field
}

// field is a name and where its value is to be found.
type field struct {
	name   string
	value  pcommon.Value // Only if source is fromAttribute.
	order  int           // Of two fields with one name the lower order wins.
	source source
}

type source uint8

const (
	fromAttribute source = iota
	fromTimestamp
	fromTraceID
	fromSpanID
	fromBody
	fromSeverity
)

// AppendJSON appends the document of record to dst and returns the extended
// slice. It is one JSON object without a line break, whatever the record holds.
func (e *Encoder) AppendJSON(dst []byte, resource pcommon.Resource, record plog.LogRecord) []byte {
	e.collect(resource, record)
	e.resolve()
	dst = e.appendFields(dst, record)
	clear(e.fields) // Otherwise the record would live as long as the encoder.
	e.fields = e.fields[:0]
	return dst
}

// collect lists the fields of the document in the order of their precedence.
func (e *Encoder) collect(resource pcommon.Resource, record plog.LogRecord) {
	e.addOwn(nameTimestamp, fromTimestamp)
	if !record.TraceID().IsEmpty() {
		e.addOwn(nameTraceID, fromTraceID)
	}
	if !record.SpanID().IsEmpty() {
		e.addOwn(nameSpanID, fromSpanID)
	}
	if record.Body().Type() != pcommon.ValueTypeEmpty {
		e.addOwn(nameMessage, fromBody)
	}
	if record.SeverityText() != "" {
		e.addOwn(nameLevel, fromSeverity)
	}
	e.addAttributes(record.Attributes())
	e.addAttributes(resource.Attributes())
}

func (e *Encoder) addOwn(name string, from source) {
	e.fields = append(e.fields, field{name: name, source: from, order: len(e.fields)})
}

func (e *Encoder) addAttributes(attributes pcommon.Map) {
	for name, value := range attributes.All() {
		e.fields = append(e.fields, field{name: fieldName(name), value: value, order: len(e.fields)})
	}
}

// resolve sorts the fields, drops those whose name is taken, and moves a scalar
// out of the way of an object of the same name.
func (e *Encoder) resolve() {
	slices.SortFunc(e.fields, compareFields)
	e.fields = slices.CompactFunc(e.fields, func(a, b field) bool { return a.name == b.name })

	moved := false
	for i := range len(e.fields) - 1 {
		name := e.fields[i].name
		if !isBeneath(e.fields[i+1].name, name) {
			continue
		}
		free := name + ".value"
		for e.taken(i+1, name, free) {
			free += "_"
		}
		e.fields[i].name = free
		moved = true
	}
	if moved {
		slices.SortFunc(e.fields, compareFields)
	}
}

// taken tells whether name, or something beneath it, is among the fields
// beneath parent, the first of which is at index from.
func (e *Encoder) taken(from int, parent, name string) bool {
	for _, f := range e.fields[from:] {
		if !isBeneath(f.name, parent) {
			return false
		}
		if f.name == name || isBeneath(f.name, name) {
			return true
		}
	}
	return false
}

func compareFields(a, b field) int {
	return cmp.Or(compareNames(a.name, b.name), cmp.Compare(a.order, b.order))
}

// appendFields writes the sorted fields as nested objects: between one field and
// the next it closes the objects that both don't share and opens the new ones.
func (e *Encoder) appendFields(dst []byte, record plog.LogRecord) []byte {
	dst = append(dst, '{')
	previous, open := "", 0
	for i := range len(e.fields) {
		f := e.fields[i]
		shared, rest := 0, f.name
		if i > 0 {
			shared, rest = sharedObjects(previous, f.name)
			for ; open > shared; open-- {
				dst = append(dst, '}')
			}
			dst = append(dst, ',')
		}
		for {
			part, after, more := strings.Cut(rest, ".")
			dst = append(appendString(dst, part), ':')
			if !more {
				break
			}
			dst = append(dst, '{')
			open++
			rest = after
		}
		dst = e.appendSource(dst, f, record)
		previous = f.name
	}
	for ; open >= 0; open-- {
		dst = append(dst, '}')
	}
	return dst
}

func (e *Encoder) appendSource(dst []byte, f field, record plog.LogRecord) []byte {
	switch f.source {
	case fromTimestamp:
		dst = append(dst, '"')
		dst = Time(record).AppendFormat(dst, timeFormat)
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
