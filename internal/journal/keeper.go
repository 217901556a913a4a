// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"time"

	"go.uber.org/zap"
)

// keep does what takes system calls: it has the next segment ready, removes what
// isn't needed any more, looks after the files and goes back to disk after a
// fault.
func (m *Mapped) keep() {
	ticker := time.NewTicker(min(look, m.retry))
	defer ticker.Stop()
	for {
		m.inspect()
		for m.provide() {
		}
		m.buryDead()
		select {
		case <-m.wake:
		case <-ticker.C:
		case <-m.quit:
			return
		}
	}
}

// inspect takes the tail out of use if its file isn't there any more: what is
// appended to it would be lost with the process.
func (m *Mapped) inspect() {
	m.mu.Lock()
	tail, spare, stray := m.tail.Load(), m.spare, m.stray
	m.mu.Unlock()
	if spare != nil {
		if err := spare.file.intact(); err != nil {
			m.lose(spare, err)
		}
	}
	if tail.file != nil && !stray {
		if err := tail.file.intact(); err != nil {
			m.lose(tail, err)
		}
	}
}

// lose has another segment made in place of s.
func (m *Mapped) lose(s *segment, err error) {
	m.log.Warn("journal file lost; going on in a new one", zap.Error(err))
	m.mu.Lock()
	switch s {
	case m.spare:
		m.dead = append(m.dead, s)
		m.spare = nil
	case m.tail.Load():
		m.stray = true
	}
	m.faultEnd = time.Time{}
	m.mu.Unlock()
	m.buryDead() // its name is wanted again
}

// provide has a spare segment ready, or the tail on disk again; it returns
// whether there is more to do at once.
func (m *Mapped) provide() (more bool) {
	base, needed := m.wanted()
	if !needed {
		return false
	}
	m.makeRoom()
	s, err := create(m.dir, base, m.segmentSize)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.setFault(err)
		return false
	}
	m.spare = s
	away := m.stray || m.tail.Load().file == nil
	if away && !m.useSpare() {
		return true
	}
	if m.fault != nil {
		m.log.Info("journal on disk again", zap.String("directory", m.dir))
		m.fault = nil
	}
	return away
}

// wanted returns whether a spare segment is to be made and where it begins.
func (m *Mapped) wanted() (base Position, needed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spare != nil || time.Now().Before(m.faultEnd) {
		return 0, false
	}
	tail := m.tail.Load()
	base = tail.base + Position(len(tail.data))
	if tail.file == nil {
		base += maxMemory // it goes on while the file is made
	}
	return base, true
}

// makeRoom removes the oldest segments until another one fits.
func (m *Mapped) makeRoom() {
	for m.over() {
		s := m.evict(func(*segment) bool { return true })
		if s == nil {
			return // the reader or a writer holds it; it is soon gone
		}
		m.mu.Lock()
		m.dead = append(m.dead, s)
		m.mu.Unlock()
		m.buryDead()
	}
}

// over returns whether another segment would be too much. What an earlier run
// left isn't touched before the reader has said where it goes on: what is lost
// could not be counted.
func (m *Mapped) over() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	total := int64(m.segmentSize)
	for _, s := range m.segments {
		if s.file != nil {
			total += s.file.size
		} else {
			total += int64(len(s.data))
		}
	}
	waiting := !m.started && m.tail.Load() == m.first
	return total > m.maxSize && !waiting
}

func (m *Mapped) buryDead() {
	m.mu.Lock()
	dead := m.dead
	m.dead = nil
	m.mu.Unlock()
	for _, s := range dead {
		if err := s.bury(); err != nil {
			m.log.Warn("journal segment not removed", zap.Error(err))
		}
	}
}
