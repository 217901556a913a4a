// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package eventid has the form of event.id, by which a document is known in every
// backend: the id of the run in which its exchange began, a dash and a number that
// rises in the order of telling over all runs, in hex digits.
package eventid

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

const (
	runTimeDigits = 12 // A run's id begins with its time in milliseconds.
	numberDigits  = 10
	maxRunLength  = 64
)

// ID is an event.id in its parts.
type ID struct {
	Run    string
	Number uint64
}

// NewRun returns the id of a run that begins at a time. It sorts behind those of earlier
// runs.
func NewRun(at time.Time) string {
	return fmt.Sprintf("%0*x%08x", runTimeDigits, at.UnixMilli(), rand.Uint32())
}

// String returns the event.id.
func (id ID) String() string { return fmt.Sprintf("%s-%0*x", id.Run, numberDigits, id.Number) }

// Parse reads an event.id. It reports false for one of another making, which says
// nothing of an order.
func Parse(text string) (ID, bool) {
	dash := len(text) - numberDigits - 1
	if dash < runTimeDigits || dash > maxRunLength || text[dash] != '-' || !isHex(text[:dash]) || !isHex(text[dash+1:]) {
		return ID{}, false
	}
	number, err := strconv.ParseUint(text[dash+1:], 16, 64)
	return ID{Run: text[:dash], Number: number}, err == nil
}

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Began is when the run began, as the clock then stood.
func (id ID) Began() time.Time {
	if len(id.Run) < runTimeDigits {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(id.Run[:runTimeDigits], 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
