// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/binary"
	"time"

	"github.com/modtap/modtap/internal/goproxy"
)

// The fields of a begin record.
const (
	beginClientKey = 1 + iota
	beginOffset
)

// AppendBegin appends b as a record to dst. It doesn't allocate beyond dst.
func AppendBegin(dst []byte, b *Begin) []byte {
	return appendBegin(append(dst, byte(KindBegin)), b)
}

func appendBegin(dst []byte, b *Begin) []byte {
	dst = appendTime(dst, b.Time)
	dst = binary.AppendUvarint(dst, b.ID)
	dst = append(dst, byte(b.Side))
	dst = appendString(dst, b.Method, maxShort)
	dst = appendString(dst, b.Path, maxPath)
	dst = appendString(dst, b.Scheme, maxShort)
	dst = appendString(dst, b.ServerAddress, maxLine)
	dst = binary.AppendUvarint(dst, uint64(b.ServerPort))
	dst = appendString(dst, b.Protocol, maxShort)
	dst = appendString(dst, b.Client.Address, maxLine)
	dst = binary.AppendUvarint(dst, uint64(b.Client.Port))
	dst = appendString(dst, b.Client.Name, maxShort)
	dst = appendString(dst, b.UserAgent, maxLine)
	dst = appendSpan(dst, &b.Span)
	dst = append(dst, b.Session.ID[:]...)
	dst = appendBool(dst, b.Session.Inferred)
	dst = append(dst, b.Session.Root[:]...)
	dst = append(dst, b.Session.RootParent[:]...)
	dst = appendCI(dst, &b.CI)
	dst = append(dst, b.Cause[:]...)
	candidates := b.Candidates[:min(len(b.Candidates), MaxCandidates)]
	dst = binary.AppendUvarint(dst, uint64(len(candidates)))
	for i := range candidates {
		dst = appendSpan(dst, &candidates[i])
	}
	dst = binary.AppendUvarint(dst, b.Connection)
	dst = appendBool(dst, b.Session.Held)
	if b.ClientKey != (ClientKey{}) {
		dst = append(appendField(dst, beginClientKey, len(b.ClientKey)), b.ClientKey[:]...)
	}
	if b.Offset != 0 {
		dst = appendTime(appendField(dst, beginOffset, 8), Time(b.Offset))
	}
	return dst
}

func appendCI(dst []byte, c *CI) []byte {
	dst = appendString(dst, c.System, maxShort)
	if c.System == "" {
		return dst
	}
	for _, v := range [...]string{c.Pipeline, c.PipelineRun, c.PipelineURL, c.Job, c.JobRun, c.JobURL} {
		dst = appendString(dst, v, maxCI)
	}
	return dst
}

func (d *decoder) begin(t Time) *Begin {
	b := &Begin{
		Time:          t,
		ID:            d.uvarint(),
		Side:          Side(d.byte()),
		Method:        d.string(),
		Path:          d.string(),
		Scheme:        d.string(),
		ServerAddress: d.string(),
		ServerPort:    uint16(d.uvarint()),
		Protocol:      d.string(),
		Client:        Client{Address: d.string(), Port: uint16(d.uvarint()), Name: d.string()},
		UserAgent:     d.string(),
		Span:          d.span(),
		Session:       d.session(),
		CI:            d.ci(),
	}
	b.Request = goproxy.Parse(b.Path)
	copy(b.Cause[:], d.take(len(b.Cause)))
	if n := d.count(); n > 0 {
		b.Candidates = make([]Span, min(n, MaxCandidates))
		for i := range b.Candidates {
			b.Candidates[i] = d.span()
		}
		for i := len(b.Candidates); i < n && !d.bad; i++ { // of a Modtap that keeps more
			d.span()
		}
	}
	if d.s != "" { // older records end here
		b.Connection = d.uvarint()
	}
	if d.s != "" {
		b.Session.Held = d.byte() == 1
	}
	for tag, field, ok := d.field(); ok; tag, field, ok = d.field() {
		switch {
		case tag == beginClientKey && len(field.s) >= len(b.ClientKey):
			copy(b.ClientKey[:], field.s)
		case tag == beginOffset && len(field.s) >= 8:
			b.Offset = time.Duration(field.time())
		}
	}
	return b
}

func (d *decoder) session() (s Session) {
	copy(s.ID[:], d.take(len(s.ID)))
	s.Inferred = d.byte() == 1
	copy(s.Root[:], d.take(len(s.Root)))
	copy(s.RootParent[:], d.take(len(s.RootParent)))
	return s
}

func (d *decoder) ci() CI {
	c := CI{System: d.string()}
	if c.System == "" {
		return c
	}
	c.Pipeline, c.PipelineRun, c.PipelineURL = d.string(), d.string(), d.string()
	c.Job, c.JobRun, c.JobURL = d.string(), d.string(), d.string()
	return c
}
