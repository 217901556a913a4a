// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/binary"
	"time"
)

// The flags of an attempt. Those without attemptRedirected are as they were before
// there was an origin. Fields of its own stand at its end where attemptFields is set,
// behind their length in two bytes. What no name stands here for says yes or no, and
// has no bytes.
const (
	attemptDirect byte = 1 << iota
	attemptRedirected
	attemptFields
)

func appendAttempt(dst []byte, a *Attempt) []byte {
	dst = appendTime(dst, a.Start)
	dst = binary.AppendVarint(dst, int64(a.Duration))
	dst = binary.AppendVarint(dst, int64(a.FirstByte))
	dst = appendSpan(dst, &a.Span)
	dst = appendString(dst, a.Method, maxShort)
	dst = appendString(dst, a.URL, maxURL)
	dst = appendString(dst, a.Address, maxShort)
	dst = binary.AppendUvarint(dst, uint64(a.Port))
	dst = binary.AppendVarint(dst, int64(a.Status))
	dst = appendString(dst, a.Error, maxShort)
	dst = binary.AppendVarint(dst, a.BodySize)
	dst = appendString(dst, a.Reason, maxShort)
	dst = binary.AppendVarint(dst, int64(a.Resend))
	var flags byte
	if a.Direct {
		flags |= attemptDirect
	}
	if a.Origin == "" {
		return append(dst, flags)
	}
	dst = append(dst, flags|attemptRedirected)
	dst = appendString(dst, a.Origin, maxShort)
	return binary.AppendUvarint(dst, uint64(a.OriginPort))
}

func (d *decoder) attempt() Attempt {
	a := Attempt{
		Start:     d.time(),
		Duration:  time.Duration(d.varint()),
		FirstByte: time.Duration(d.varint()),
		Span:      d.span(),
		Method:    d.string(),
		URL:       d.string(),
		Address:   d.string(),
		Port:      uint16(d.uvarint()),
		Status:    int(d.varint()),
		Error:     d.string(),
		BodySize:  d.varint(),
		Reason:    d.string(),
		Resend:    int(d.varint()),
	}
	flags := d.byte()
	a.Direct = flags&attemptDirect != 0
	if flags&attemptRedirected != 0 {
		a.Origin, a.OriginPort = d.string(), uint16(d.uvarint())
	}
	if flags&attemptFields != 0 {
		inner := decoder{s: d.take(d.uint16())}
		inner.skipFields()
		d.bad = d.bad || inner.bad
	}
	return a
}
