// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import "encoding/binary"

// The fields of a start record.
const startSettings = 1

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
