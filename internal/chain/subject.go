// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import "time"

// maxSubjects bounds the modules of a host whose failures are remembered.
const maxSubjects = 256

// subjects are the circuits of what a host is asked for: those that failed last. A host's lock guards them.
type subjects map[string]*subject

type subject struct {
	row     int       // Failures in a row.
	last    time.Time // When the last one was.
	probing bool      // One request was let through since.
}

// allow tells whether a request about name may be sent: after so many failures in a row, one at a time, and no sooner than
// after open.
func (all subjects) allow(name string, limit int, open time.Duration) bool {
	s := all[name]
	switch {
	case s == nil || s.row < limit:
		return true
	case s.probing || time.Since(s.last) < open:
		return false
	}
	s.probing = true
	return true
}

func (all subjects) failed(name string) {
	s := all[name]
	if s == nil {
		all.makeRoom()
		s = new(subject)
		all[name] = s
	}
	s.row++
	s.last, s.probing = time.Now(), false
}

// dropped notes that nobody waited for the answer.
func (all subjects) dropped(name string) {
	if s := all[name]; s != nil {
		s.probing = false
	}
}

// makeRoom forgets the one that failed longest ago if there are too many.
func (all subjects) makeRoom() {
	if len(all) < maxSubjects {
		return
	}
	oldest := ""
	for name, s := range all {
		if oldest == "" || s.last.Before(all[oldest].last) {
			oldest = name
		}
	}
	delete(all, oldest)
}
