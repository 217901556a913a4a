// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

// Position is a place between two records of a journal: how far it reaches, in
// bytes, gaps included. Positions only rise, from one run to the next too; zero
// is before the first record.
type Position uint64

// MaxRecord is the longest record that a journal keeps, in bytes.
const MaxRecord = 64 << 10

// Journal keeps records in the order in which they were appended. All methods
// may be called at the same time, except that only one goroutine reads and that
// nothing is called after Close.
type Journal interface {
	// Append adds a copy of record and returns the position behind it. What a
	// goroutine appends stands behind everything whose Append had returned
	// before. It never fails and never blocks for long: a full journal drops its
	// oldest records, one that can't write goes on in memory (see Status). A
	// record longer than MaxRecord isn't kept; a Read counts it as damaged.
	Append(record []byte) Position
	// Read hands the records behind after to fn, oldest first, with the position
	// behind each, and returns the position behind the last one handed over
	// (after, if there was none) and what was lost before it could be read; each
	// loss is reported once. after is zero or a position that Append or Read
	// gave, in this run or an earlier one; where nothing is left there, Read
	// starts at the next record that is. For a place that could not be read fn is
	// called with where that place begins, and a nil record. Read stops at a
	// record that is still being written, and somewhere behind what had been
	// appended when it was called: a later call goes on from there. One reader at
	// a time; fn must not keep record.
	Read(after Position, fn func(p Position, record []byte)) (last Position, lost Loss)
	// Release says that no record up to p is needed any more, by any reader.
	Release(p Position)
	// Status returns how the journal is; it is cheap enough for a health check.
	Status() Status
	// Close ends the journal. What was appended stays where it was: on disk, or
	// lost if it was in memory.
	Close() error
}

// Loss is what a reader will never see.
type Loss struct {
	// Full counts records forced out unread because the journal was full.
	Full uint64
	// Damaged counts places at which something could not be read: a torn record
	// or a run of them, a corrupt, unreadable or missing stretch of a segment or
	// a whole one. How many records stood there can't be known.
	Damaged uint64
}

func (l *Loss) add(more Loss) {
	l.Full += more.Full
	l.Damaged += more.Damaged
}

// Status is the state of a journal.
type Status struct {
	// Size is how many bytes the records take that are kept.
	Size int64
	// MaxSize is how many bytes the journal's segments may take.
	MaxSize int64
	// Room is how many bytes can be appended before a record might have to go that isn't
	// released: at most half of what there is place for. Who can wait appends no more.
	// Zero or less: none.
	Room int64
	// Fault says why what is appended isn't safe from a crash at the moment
	// though it should be; nil if there is nothing wrong.
	Fault error
	// InMemory is whether what is appended now goes to memory only.
	InMemory bool
}
