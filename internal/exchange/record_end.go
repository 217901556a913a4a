// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import "encoding/binary"

// The fields of an end record.
const endPhases = 1

// AppendEnd appends e as a record to dst. It doesn't allocate beyond dst.
func AppendEnd(dst []byte, e *End) []byte {
	return appendEnd(append(dst, byte(KindEnd)), e, maxAttempts)
}

func appendEnd(dst []byte, e *End, most int) []byte {
	dst = appendTime(dst, e.Time)
	dst = binary.AppendUvarint(dst, e.ID)
	dst = appendTime(dst, e.FirstByte)
	dst = binary.AppendVarint(dst, int64(e.Status))
	dst = binary.AppendVarint(dst, e.BodySize)
	dst = append(dst, byte(e.Disposition))
	dst = appendString(dst, e.Error, maxShort)
	dst = appendString(dst, string(e.Cache.Embedded), maxShort)
	dst = appendString(dst, e.Cache.MissReason, maxShort)
	headers := e.Cache.Headers[:min(len(e.Cache.Headers), maxHeaders)]
	dst = binary.AppendUvarint(dst, uint64(len(headers)))
	for i := range headers {
		dst = appendString(dst, headers[i].Name, maxShort)
		dst = appendString(dst, headers[i].Value, maxLine)
	}
	attempts := e.Attempts[:min(len(e.Attempts), most)]
	dst = binary.AppendUvarint(dst, uint64(len(attempts)))
	for i := range attempts {
		dst = appendAttempt(dst, &attempts[i])
	}
	dst = appendSpan(dst, &e.Cause)
	dst = appendString(dst, string(e.Answer[:min(len(e.Answer), MaxAnswer)]), MaxAnswer)
	dst = appendString(dst, e.Leak, maxShort)
	return appendParts(dst, e.Phases, e.Time)
}

func (d *decoder) end(t Time) *End {
	e := &End{
		Time:        t,
		ID:          d.uvarint(),
		FirstByte:   d.time(),
		Status:      int(d.varint()),
		BodySize:    d.varint(),
		Disposition: Disposition(d.byte()),
		Error:       d.string(),
		Cache:       CacheEvidence{Embedded: CacheResult(d.string()), MissReason: d.string()},
	}
	if n := d.count(); n > 0 {
		e.Cache.Headers = make([]Header, min(n, maxHeaders))
		for i := range e.Cache.Headers {
			e.Cache.Headers[i] = d.header()
		}
		for i := len(e.Cache.Headers); i < n && !d.bad; i++ {
			d.header()
		}
	}
	if n := d.count(); n > 0 {
		e.Attempts = make([]Attempt, min(n, maxAttempts))
		for i := range e.Attempts {
			e.Attempts[i] = d.attempt()
		}
		for i := len(e.Attempts); i < n && !d.bad; i++ {
			d.attempt()
		}
	}
	e.Cause = d.span()
	if answer := d.string(); answer != "" {
		e.Answer = []byte(answer)
	}
	e.Leak = d.string()
	for tag, field, ok := d.field(); ok; tag, field, ok = d.field() {
		if tag == endPhases {
			e.Phases = field.parts(t)
			d.bad = d.bad || field.bad
		}
	}
	return e
}

func (d *decoder) header() Header { return Header{Name: d.string(), Value: d.string()} }
