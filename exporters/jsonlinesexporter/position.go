// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"strconv"
	"time"
)

const (
	runTimeDigits = 12 // A run's id begins with its time in milliseconds.
	numberDigits  = 10
	maxRunLength  = 64
)

// position is where a document stands in what one instance tells: its event.id is
// the run's id, a dash and the number within the run, both in hex digits.
type position struct {
	run    string
	number uint64
}

// parsePosition reads an event.id. It reports false for one of another making,
// which says nothing of an order.
func parsePosition(id string) (position, bool) {
	dash := len(id) - numberDigits - 1
	if dash < runTimeDigits || dash > maxRunLength || id[dash] != '-' || !isHex(id[:dash]) || !isHex(id[dash+1:]) {
		return position{}, false
	}
	number, err := strconv.ParseUint(id[dash+1:], 16, 64)
	return position{run: id[:dash], number: number}, err == nil
}

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// began is when the run began, as the clock then stood.
func (p position) began() time.Time {
	ms, err := strconv.ParseInt(p.run[:runTimeDigits], 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
