// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import "encoding/binary"

// The fields of a start record.
const (
	startSettings = 1 + iota
	startContinues
)

// The fields of a tick.
const tickMark = 1

// Start opens a run.
type Start struct {
	// Time is when the run began.
	Time Time
	// Run is the run's id; ids of later runs sort behind those of earlier ones.
	Run string
	// Settings are those that verdicts, and the order of telling, depend on, in a form
	// that only their owner knows, at most [MaxSettings] bytes. Empty: they aren't known.
	Settings []byte
	// Continues says that nothing of what the run observes has escaped it: its sources
	// have kept what happened since the run before, and go on where that one was. So
	// nothing is interrupted, no window closes and no session loses its connections.
	Continues bool
}

// MaxSettings is the most that [Start.Settings] keeps, in bytes.
const MaxSettings = 32 << 10

// AppendStart appends s as a record to dst.
func AppendStart(dst []byte, s Start) []byte {
	dst = append(dst, byte(KindStart))
	dst = appendTime(dst, s.Time)
	dst = appendString(dst, s.Run, maxShort)
	dst = binary.LittleEndian.AppendUint64(dst, 0) // was a hash that nobody read
	if n := len(s.Settings); n > 0 && n <= MaxSettings {
		dst = append(appendField(dst, startSettings, n), s.Settings...)
	}
	if s.Continues {
		dst = appendField(dst, startContinues, 0)
	}
	return dst
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

// AppendMark appends a record that says that it is t by the clock of the sources and
// how far one of them is read, whatever was there. It is a tick that says more.
func AppendMark(dst []byte, t Time, m Mark) []byte {
	return appendMark(AppendLeft(dst, t, Session{}), tickMark, &m)
}

// AppendStop appends a record that says that the run ended at t.
func AppendStop(dst []byte, t Time) []byte {
	return appendTime(append(dst, byte(KindStop)), t)
}

func (d *decoder) start(t Time) Start {
	s := Start{Time: t, Run: d.string()}
	d.take(8)
	for tag, field, ok := d.field(); ok; tag, field, ok = d.field() {
		switch {
		case tag == startSettings && len(field.s) <= MaxSettings:
			s.Settings = []byte(field.s)
		case tag == startContinues:
			s.Continues = true
		}
	}
	return s
}

// tick takes the rest of a tick.
func (d *decoder) tick(r *Record) {
	if d.s != "" {
		copy(r.Left.ID[:], d.take(len(r.Left.ID)))
		copy(r.Left.Root[:], d.take(len(r.Left.Root)))
	}
	for tag, field, ok := d.field(); ok; tag, field, ok = d.field() {
		if tag == tickMark {
			r.Mark = field.mark()
			d.bad = d.bad || field.bad
		}
	}
}
