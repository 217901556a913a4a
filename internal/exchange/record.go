// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Kind is the first byte of a record.
type Kind byte

// The kinds of records.
const (
	KindStart Kind = 1 + iota // a run of Modtap opens
	KindBegin                 // a request arrived
	KindEnd                   // an exchange is over
	KindTick                  // time passed while something waited
	KindStop                  // the run ended in order
)

// Start opens a run.
type Start struct {
	// Time is when the run began.
	Time Time
	// Run is the run's id; ids of later runs sort behind those of earlier ones.
	Run string
	// Settings is a hash of the settings that verdicts depend on.
	Settings uint64
}

// Record is one decoded record. Kind says which of the fields is set; Time is
// the record's own.
type Record struct {
	Kind  Kind
	Time  Time
	Start Start
	Begin *Begin
	End   *End
}

// What a record keeps of a value at most, so that none is longer than 64 KiB.
const (
	maxRecord   = 64 << 10
	maxShort    = 128
	maxLine     = 1024
	maxPath     = 4096
	maxURL      = 512
	maxCI       = 256
	maxHeaders  = 8
	maxAttempts = 64
)

// cut marks a value that was longer than what a record keeps.
const cut = "…"

// ErrRecord is returned for bytes that are no record.
var ErrRecord = errors.New("malformed record")

// AppendStart appends s as a record to dst.
func AppendStart(dst []byte, s Start) []byte {
	dst = append(dst, byte(KindStart))
	dst = appendTime(dst, s.Time)
	dst = appendString(dst, s.Run, maxShort)
	return binary.LittleEndian.AppendUint64(dst, s.Settings)
}

// AppendTick appends a record that only says that it is t.
func AppendTick(dst []byte, t Time) []byte {
	return appendTime(append(dst, byte(KindTick)), t)
}

// AppendStop appends a record that says that the run ended at t.
func AppendStop(dst []byte, t Time) []byte {
	return appendTime(append(dst, byte(KindStop)), t)
}

// AppendBegin appends b as a record to dst. It doesn't allocate beyond dst.
func AppendBegin(dst []byte, b *Begin) []byte {
	dst = append(dst, byte(KindBegin))
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

// AppendEnd appends e as a record to dst. It doesn't allocate beyond dst.
func AppendEnd(dst []byte, e *End) []byte {
	dst = append(dst, byte(KindEnd))
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
	attempts := e.Attempts[:min(len(e.Attempts), maxAttempts)]
	dst = binary.AppendUvarint(dst, uint64(len(attempts)))
	for i := range attempts {
		dst = appendAttempt(dst, &attempts[i])
	}
	dst = appendSpan(dst, &e.Cause)
	dst = appendString(dst, string(e.Answer[:min(len(e.Answer), MaxAnswer)]), MaxAnswer)
	return appendString(dst, e.Leak, maxShort)
}

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
	return appendBool(dst, a.Direct)
}

func appendSpan(dst []byte, s *Span) []byte {
	dst = append(dst, s.TraceID[:]...)
	dst = append(dst, s.SpanID[:]...)
	dst = append(dst, s.ParentID[:]...)
	dst = append(dst, s.Flags)
	return appendString(dst, s.State, maxURL)
}

func appendTime(dst []byte, t Time) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(t))
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// appendString appends s, cut at a character's edge and marked if it is longer than limit.
func appendString(dst []byte, s string, limit int) []byte {
	if len(s) <= limit {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		return append(dst, s...)
	}
	n := limit - len(cut)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	dst = binary.AppendUvarint(dst, uint64(n+len(cut)))
	dst = append(dst, s[:n]...)
	return append(dst, cut...)
}

// Decode reads one record. It returns [ErrRecord] for bytes that are none; it
// keeps no reference to rec.
func Decode(rec []byte) (Record, error) {
	if len(rec) == 0 || len(rec) > maxRecord {
		return Record{}, fmt.Errorf("%w: %d bytes", ErrRecord, len(rec))
	}
	// One copy serves all strings of the record.
	d := decoder{s: string(rec[1:])}
	r := Record{Kind: Kind(rec[0]), Time: d.time()}
	switch r.Kind {
	case KindStart:
		r.Start = Start{Time: r.Time, Run: d.string(), Settings: d.uint64()}
	case KindBegin:
		r.Begin = d.begin(r.Time)
	case KindEnd:
		r.End = d.end(r.Time)
	case KindTick, KindStop:
	default:
		return Record{}, fmt.Errorf("%w: kind %d", ErrRecord, rec[0])
	}
	if d.bad || d.s != "" {
		return Record{}, fmt.Errorf("%w: kind %d", ErrRecord, rec[0])
	}
	return r, nil
}

// decoder takes values off the front of s; after a fault all further values are zero.
type decoder struct {
	s   string
	bad bool
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
	copy(b.Cause[:], d.take(len(b.Cause)))
	if n := d.count(MaxCandidates); n > 0 {
		b.Candidates = make([]Span, n)
		for i := range b.Candidates {
			b.Candidates[i] = d.span()
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
	if n := d.count(maxHeaders); n > 0 {
		e.Cache.Headers = make([]Header, n)
		for i := range e.Cache.Headers {
			e.Cache.Headers[i] = Header{Name: d.string(), Value: d.string()}
		}
	}
	if n := d.count(maxAttempts); n > 0 {
		e.Attempts = make([]Attempt, n)
		for i := range e.Attempts {
			e.Attempts[i] = d.attempt()
		}
	}
	e.Cause = d.span()
	if answer := d.string(); answer != "" {
		e.Answer = []byte(answer)
	}
	e.Leak = d.string()
	return e
}

func (d *decoder) attempt() Attempt {
	return Attempt{
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
		Direct:    d.byte() == 1,
	}
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

func (d *decoder) byte() byte {
	if v := d.take(1); v != "" {
		return v[0]
	}
	return 0
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

func (d *decoder) count(limit int) int {
	n := d.uvarint()
	if n > uint64(limit) {
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
