// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

// A record is a kind, the time and a fixed part, which never changes, and behind them
// any number of fields: a tag, a length in two bytes, and that many bytes. What is
// added to a kind is a field with a tag that its kind has never had. A reader skips the
// fields, the kinds and the rest of a field that it doesn't know, and what a record
// doesn't have is zero: so each Modtap reads what older and newer ones left in the
// journal. What would have to be read differently is another kind.
//
// testdata/records holds records of every shape that there ever was.

// appendField appends what stands before a field's bytes.
func appendField(dst []byte, tag byte, size int) []byte {
	return append(dst, tag, byte(size), byte(size>>8))
}

// openField begins a field whose size isn't known yet; closeField ends it.
func openField(dst []byte, tag byte) (_ []byte, at int) {
	dst = appendField(dst, tag, 0)
	return dst, len(dst)
}

func closeField(dst []byte, at int) []byte {
	n := len(dst) - at
	dst[at-2], dst[at-1] = byte(n), byte(n>>8)
	return dst
}

// field takes the next field; ok is false at the record's end, and after a fault.
func (d *decoder) field() (tag byte, field decoder, ok bool) {
	if d.s == "" || d.bad {
		return 0, decoder{}, false
	}
	tag = d.byte()
	field.s = d.take(d.uint16())
	return tag, field, !d.bad
}

// skipFields takes all that is left, of which nothing is known but its form.
func (d *decoder) skipFields() {
	for ok := true; ok; {
		_, _, ok = d.field()
	}
}
