// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is the first byte of a record; zero is none.
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
	// Settings are those that verdicts, and the order of telling, depend on, in a form
	// that only their owner knows, at most [MaxSettings] bytes. Empty: they aren't known.
	Settings []byte
}

// MaxSettings is the most that [Start.Settings] keeps, in bytes.
const MaxSettings = 32 << 10

// Record is one decoded record. Kind says which of the fields is set; Time is
// the record's own. Of a kind that isn't known, from a newer Modtap, nothing else is.
type Record struct {
	Kind  Kind
	Time  Time
	Start Start
	Begin *Begin
	End   *End
	// Left is, of a tick, the session (its ID and Root) that has no connection of its
	// own any more; zero: it says nothing of one.
	Left Session
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
	dst = binary.LittleEndian.AppendUint64(dst, 0) // was a hash that nobody read
	if len(s.Settings) == 0 || len(s.Settings) > MaxSettings {
		return dst
	}
	return append(appendField(dst, startSettings, len(s.Settings)), s.Settings...)
}

// AppendTick appends a record that only says that it is t.
func AppendTick(dst []byte, t Time) []byte {
	return appendTime(append(dst, byte(KindTick)), t)
}

// AppendLeft appends a record that says that it is t and that no connection of the
// session's own is open any more. It is a tick that says more.
func AppendLeft(dst []byte, t Time, s Session) []byte {
	dst = append(AppendTick(dst, t), s.ID[:]...)
	return append(dst, s.Root[:]...)
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
	dst = binary.AppendUvarint(dst, b.Connection)
	dst = appendBool(dst, b.Session.Held)
	if b.ClientKey == (ClientKey{}) {
		return dst
	}
	return append(appendField(dst, beginClientKey, len(b.ClientKey)), b.ClientKey[:]...)
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
	dst = appendString(dst, e.Leak, maxShort)
	return appendParts(dst, e.Phases, e.Time)
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

// The flags of an attempt. Those without attemptRedirected are as they were before
// there was an origin. Fields of its own stand at its end where attemptFields is set,
// behind their length in two bytes. What no name stands here for says yes or no, and
// has no bytes.
const (
	attemptDirect byte = 1 << iota
	attemptRedirected
	attemptFields
)

func appendSpan(dst []byte, s *Span) []byte {
	dst = append(dst, s.TraceID[:]...)
	dst = append(dst, s.SpanID[:]...)
	dst = append(dst, s.ParentID[:]...)
	dst = append(dst, s.Flags)
	return appendString(dst, cutState(s.State), maxURL)
}

// cutState leaves whole members of a tracestate out, from its end, where it is
// longer than what a record keeps
// (https://www.w3.org/TR/trace-context/#tracestate-limits).
func cutState(state string) string {
	for len(state) > maxURL {
		state = state[:max(0, strings.LastIndexByte(state, ','))]
	}
	return state
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
		if len(s) < 0x80 { // nearly all are
			return append(append(dst, byte(len(s))), s...)
		}
		return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
	}
	n := limit - len(cut)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	dst = binary.AppendUvarint(dst, uint64(n+len(cut)))
	dst = append(dst, s[:n]...)
	return append(dst, cut...)
}

// Decode reads one record, of this shape, an older or a newer one. It returns
// [ErrRecord] for bytes that are none; it keeps no reference to rec.
func Decode(rec []byte) (Record, error) {
	if len(rec) == 0 || len(rec) > maxRecord || rec[0] == 0 {
		return Record{}, fmt.Errorf("%w: %d bytes", ErrRecord, len(rec))
	}
	// One copy serves all strings of the record.
	d := decoder{s: string(rec[1:])}
	r := Record{Kind: Kind(rec[0]), Time: d.time()}
	switch r.Kind {
	case KindStart:
		r.Start = d.start(r.Time)
	case KindBegin:
		r.Begin = d.begin(r.Time)
	case KindEnd:
		r.End = d.end(r.Time)
	case KindTick:
		if d.s != "" {
			copy(r.Left.ID[:], d.take(len(r.Left.ID)))
			copy(r.Left.Root[:], d.take(len(r.Left.Root)))
		}
		d.skipFields()
	case KindStop:
		d.skipFields()
	default:
		d.s = ""
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

func (d *decoder) start(t Time) Start {
	s := Start{Time: t, Run: d.string()}
	d.take(8)
	for tag, field, ok := d.field(); ok; tag, field, ok = d.field() {
		if tag == startSettings && len(field.s) <= MaxSettings {
			s.Settings = []byte(field.s)
		}
	}
	return s
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
		if tag == beginClientKey && len(field.s) >= len(b.ClientKey) {
			copy(b.ClientKey[:], field.s)
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
