// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

// The fields of the record of a whole exchange: the begin and the end record of it, each
// without its kind, how the session table knows its session, and the source's mark.
const (
	wholeBegin = 1 + iota
	wholeEnd
	wholeSession
	wholeMark
)

const (
	// MaxSessionKey is the most that [Record.SessionKey] keeps, in bytes.
	MaxSessionKey = 64
	// maxWholeAttempts is maxAttempts of a whole exchange: begin and end are one record.
	maxWholeAttempts = 16
)

// AppendExchange appends a whole exchange as one record to dst: r's Time, Begin, End,
// SessionKey and Mark. Whatever happens, the journal has all of it or nothing. It
// doesn't allocate beyond dst.
func AppendExchange(dst []byte, r *Record) []byte {
	dst = appendTime(append(dst, byte(KindExchange)), r.Time)
	dst, at := openField(dst, wholeBegin)
	dst = closeField(appendBegin(dst, r.Begin), at)
	dst, at = openField(dst, wholeEnd)
	dst = closeField(appendEnd(dst, r.End, maxWholeAttempts), at)
	if n := len(r.SessionKey); n > 0 && n <= MaxSessionKey {
		dst = append(appendField(dst, wholeSession, n), r.SessionKey...)
	}
	return appendMark(dst, wholeMark, &r.Mark)
}

// whole takes the rest of the record of a whole exchange.
func (d *decoder) whole(r *Record) {
	for tag, field, ok := d.field(); ok; tag, field, ok = d.field() {
		switch tag {
		case wholeBegin:
			r.Begin = field.begin(field.time())
		case wholeEnd:
			r.End = field.end(field.time())
		case wholeSession:
			if len(field.s) <= MaxSessionKey {
				r.SessionKey = []byte(field.s)
			}
		case wholeMark:
			r.Mark = field.mark()
		}
		d.bad = d.bad || field.bad
	}
	d.bad = d.bad || r.Begin == nil || r.End == nil
}
