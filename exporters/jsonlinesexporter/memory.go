// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"strings"
	"time"

	"github.com/modtap/modtap/internal/eventid"
)

const (
	// maxRuns bounds what is remembered, to 4 MiB. Past it the run that was told
	// longest ago is forgotten.
	maxRuns = 1024

	// maxSearches bounds how often, between a start and the stop, all files are
	// searched for a run of before the start.
	maxSearches = 32
)

// memory knows which documents are written, by service.instance.id and event.id,
// so that one that is told again isn't written again. What it takes note of
// stands only after commit; rollback takes back all since the last one. It must
// not be used by two goroutines at once.
type memory struct {
	began    time.Time        // Runs that began later can't be in a file yet.
	search   func(run string) // Reads what the files hold of a run into recall; nil: there is nothing to search.
	searches int

	runs    map[runKey]*runMemory
	latest  *runMemory // The one used last, since most documents follow one of their own run.
	touched []*runMemory
	clock   uint64
}

type runKey struct{ instance, run string }

type runMemory struct {
	key     runKey
	now     window
	before  window // now at the last commit, if touched.
	touched bool
	used    uint64 // By memory.clock.
}

func newMemory(began time.Time) *memory {
	return &memory{began: began, runs: make(map[runKey]*runMemory)}
}

// isRepeated takes note of a document and reports whether it is written already.
// Documents whose event.id is of another making never are.
func (m *memory) isRepeated(instance, eventID string) bool {
	at, ok := eventid.Parse(eventID)
	if !ok {
		return false
	}
	r := m.run(instance, at)
	if r.now.has(at.Number) {
		return true
	}
	if !r.touched {
		r.touched, r.before = true, r.now
		m.touched = append(m.touched, r)
	}
	r.now.add(at.Number)
	return false
}

// recall takes note of a document that a file holds. What its run told before
// the first one that is recalled counts as written too.
func (m *memory) recall(instance, eventID string) {
	at, ok := eventid.Parse(eventID)
	if !ok {
		return
	}
	r := m.known(instance, at.Run)
	if r == nil {
		r = m.remember(instance, at.Run)
		r.now.lowest = at.Number
	}
	r.now.lowest = min(r.now.lowest, at.Number)
	r.now.add(at.Number)
}

func (m *memory) commit() {
	for _, r := range m.touched {
		r.touched = false
	}
	m.touched = m.touched[:0]
}

func (m *memory) rollback() {
	for _, r := range m.touched {
		r.now = r.before
	}
	m.commit()
}

func (m *memory) run(instance string, at eventid.ID) *runMemory {
	r := m.known(instance, at.Run)
	if r == nil && m.search != nil && m.searches < maxSearches && at.Began().Before(m.began) {
		m.searches++
		m.search(at.Run)
		r = m.known(instance, at.Run)
	}
	if r == nil {
		r = m.remember(instance, at.Run)
	}
	m.clock++
	r.used = m.clock
	m.latest = r
	return r
}

func (m *memory) known(instance, run string) *runMemory {
	key := runKey{instance, run}
	if m.latest != nil && m.latest.key == key {
		return m.latest
	}
	return m.runs[key]
}

func (m *memory) remember(instance, run string) *runMemory {
	if len(m.runs) >= maxRuns {
		m.forgetOne()
	}
	// Cloned, since they may be parts of a whole batch or line.
	key := runKey{strings.Clone(instance), strings.Clone(run)}
	r := &runMemory{key: key, used: m.clock}
	m.runs[key] = r
	return r
}

// forgetOne forgets the run that was told longest ago.
func (m *memory) forgetOne() {
	var oldest *runMemory
	for _, r := range m.runs {
		if oldest == nil || r.used < oldest.used {
			oldest = r
		}
	}
	delete(m.runs, oldest.key)
	if m.latest == oldest {
		m.latest = nil
	}
}
