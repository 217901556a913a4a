// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import "encoding/binary"

// decoder takes values off the front of s; after a fault all further values are zero.
type decoder struct {
	s   string
	bad bool
}

func (d *decoder) span() (s Span) {
	copy(s.TraceID[:], d.take(len(s.TraceID)))
	copy(s.SpanID[:], d.take(len(s.SpanID)))
	copy(s.ParentID[:], d.take(len(s.ParentID)))
	s.Flags = d.byte()
	s.State = d.string()
	return s
}

func (d *decoder) take(n int) string {
	if d.bad || n > len(d.s) {
		d.bad = true
		return ""
	}
	v := d.s[:n]
	d.s = d.s[n:]
	return v
}

func (d *decoder) byte() (v byte) {
	if d.bad || d.s == "" {
		d.bad = true
		return 0
	}
	v, d.s = d.s[0], d.s[1:]
	return v
}

func (d *decoder) uint16() int {
	v := d.take(2)
	if v == "" {
		return 0
	}
	return int(v[0]) | int(v[1])<<8
}

func (d *decoder) uint64() uint64 {
	v := d.take(8)
	if v == "" {
		return 0
	}
	return binary.LittleEndian.Uint64([]byte(v))
}

func (d *decoder) time() Time { return Time(d.uint64()) }

func (d *decoder) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := d.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	d.bad = true
	return 0
}

// varint undoes the zigzag form of [binary.AppendVarint].
func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// count takes how many values follow: no more than there are bytes.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.s)) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.s)) {
		d.bad = true
		return ""
	}
	return d.take(int(n))
}
