// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"errors"
	"fmt"
)

// Kind is the first byte of a record; zero is none.
type Kind byte

// The kinds of records.
const (
	KindStart    Kind = 1 + iota // a run of Modtap opens
	KindBegin                    // a request arrived
	KindEnd                      // an exchange is over
	KindTick                     // time passed while something waited
	KindStop                     // the run ended in order
	KindExchange                 // a whole exchange, told of once it was over

	kinds // the first that isn't known
)

// Known reports whether k is a kind that there is; else a newer Modtap wrote it.
func (k Kind) Known() bool { return k > 0 && k < kinds }

// Record is one decoded record. Kind says which of the fields is set; Time is
// the record's own, by the clock of its source. Of a kind that isn't known, from a newer
// Modtap, nothing else is.
type Record struct {
	Kind  Kind
	Time  Time
	Start Start
	Begin *Begin
	End   *End
	// Left is, of a tick, the session (its ID and Root) that has no connection of its
	// own any more; zero: it says nothing of one.
	Left Session
	// SessionKey is, of a whole exchange, what the session table knows its session by, in
	// a form of that table's own, at most [MaxSessionKey] bytes; nil: the table didn't
	// choose it.
	SessionKey []byte
	// Mark is, of a whole exchange and of a tick, how far its source is read with it.
	Mark Mark
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

// ErrRecord is returned for bytes that are no record.
var ErrRecord = errors.New("malformed record")

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
		d.tick(&r)
	case KindStop:
		d.skipFields()
	case KindExchange:
		d.whole(&r)
	default:
		d.s = ""
	}
	if d.bad || d.s != "" {
		return Record{}, fmt.Errorf("%w: kind %d", ErrRecord, rec[0])
	}
	return r, nil
}
