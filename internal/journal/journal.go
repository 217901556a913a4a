// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package journal keeps the records of what was captured until they are told.
package journal

// Position is a record's place in a journal. Positions rise by one from 1 on;
// zero is before the first record.
type Position uint64

// Journal keeps records in the order in which they were appended. All methods
// may be called at the same time.
type Journal interface {
	// Append adds a copy of record and returns its position. It never blocks: a
	// full journal drops its oldest records.
	Append(record []byte) Position
	// Read hands the records behind after to fn, oldest first, and returns the
	// position of the last one handed over and how many records were dropped
	// before they could be read. fn must not keep record.
	Read(after Position, fn func(p Position, record []byte)) (last Position, dropped uint64)
	// Release says that no record up to p is needed any more.
	Release(p Position)
}
