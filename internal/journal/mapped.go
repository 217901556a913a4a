// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/statefile"
)

const (
	// maxMemory is how much memory a faulty disk may cost, in bytes.
	maxMemory = 64 << 20
	// minSegment leaves room for the longest record.
	minSegment = 128 << 10
	// patience is how long an Append waits for a segment that isn't ready.
	patience = 100 * time.Millisecond
	// look is how often the files are looked after.
	look = time.Second
)

// errSlow is the fault while the next segment isn't ready when it is needed.
var errSlow = errors.New("next segment not ready in time: disk too slow")

// Mapped is a [Journal] in memory-mapped files. What was appended is in the
// kernel's page cache, so it outlives the process however that ends. After a
// power loss there is what the kernel had written back by then, on Linux by
// default all but the last half minute; the rest is reported as damaged, not
// taken for records. The journal doesn't sync: that would stall other writers of
// the disk, for records that are told within seconds.
//
// While the disk is at fault, what is appended is kept in memory, at most 64 MiB
// or MaxSize, and is lost if the process is killed before it was read.
type Mapped struct {
	chain
	dir         string
	maxSize     int64
	segmentSize int
	retry       time.Duration // between attempts to go back to disk
	log         *zap.Logger

	// Guarded by the chain's lock.
	spare    *segment   // the next one
	dead     []*segment // to be unmapped and removed
	fault    error
	faultEnd time.Time // the next attempt; zero: at once
	stray    bool      // the tail's file isn't at its place any more
	first    *segment  // this run's

	wake    chan struct{}
	quit    chan struct{}
	keeping sync.WaitGroup
}

var _ Journal = (*Mapped)(nil)

// Open returns the journal in dir, a directory of its own, which it makes if
// need be. It takes over what an earlier run left there, in whatever state, and
// goes on behind that. Its files together take at most maxSize bytes, but always
// four segments of 128 KiB. Where there are no mapped files (on Windows), it
// returns a journal in memory whose Status says so. The error is that dir can't
// be made, read or written; that the disk is full is a fault in the Status.
func Open(dir string, maxSize int64, log *zap.Logger) (*Mapped, error) {
	return open(dir, maxSize, 5*time.Second, log)
}

// Check returns the error with which [Open] would fail since nothing can be made in dir,
// and changes nothing.
func Check(dir string) error {
	err := statefile.CanMake(dir)
	if err == nil && supported == nil {
		err = statefile.CanOpen(filepath.Join(dir, unfinished))
	}
	if err != nil {
		return fmt.Errorf("journal in %s: %w", dir, err)
	}
	return nil
}

func open(dir string, maxSize int64, retry time.Duration, log *zap.Logger) (*Mapped, error) {
	m := newMapped(dir, maxSize, retry, log)
	if supported != nil {
		m.fault = supported
		m.follow(newMemory(0))
		return m, nil
	}
	if err := m.begin(); err != nil {
		return nil, fmt.Errorf("journal in %s: %w", dir, err)
	}
	m.keeping.Go(m.keep)
	return m, nil
}

func newMapped(dir string, maxSize int64, retry time.Duration, log *zap.Logger) *Mapped {
	size := int(min(maxSegment, max(minSegment, maxSize/8&^0xffff)))
	m := &Mapped{
		dir:         dir,
		maxSize:     max(maxSize, 4*int64(size)),
		segmentSize: size,
		retry:       retry,
		log:         log,
		wake:        make(chan struct{}, 1),
		quit:        make(chan struct{}),
	}
	m.next, m.failed, m.damaged = m.grow, m.fail, m.report
	return m
}

// begin takes over what is in the directory and goes on behind it.
func (m *Mapped) begin() error {
	base, behind, err := m.takeOver()
	if err == nil {
		m.start(base, behind)
	}
	return err
}

// start puts this run's first segment behind what was there.
func (m *Mapped) start(base, behind Position) {
	s, err := create(m.dir, base, m.segmentSize)
	if err == nil {
		if err = s.begin(behind); err == nil {
			m.first = s
			m.follow(s)
			return
		}
		m.dead = append(m.dead, s)
	}
	m.setFault(err)
	s = newMemory(base)
	s.behind = behind
	m.first = s
	m.follow(s)
}

// probe returns why dir can't be made or written, other than that the disk is
// full.
func probe(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := statefile.Open(filepath.Join(dir, unfinished), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if isFull(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// grow puts a segment behind full: the spare one, or one in memory if there is a
// fault or none gets ready in time.
func (m *Mapped) grow(full *segment) {
	for first := time.Now(); !m.tryGrow(full, time.Since(first) > patience); {
		m.poke()
		time.Sleep(100 * time.Microsecond)
	}
	m.poke()
	limit := min(m.maxSize, maxMemory)
	for gone := full; gone != nil && m.memory() > limit; {
		gone = m.evict(func(s *segment) bool { return s.file == nil })
	}
}

func (m *Mapped) tryGrow(full *segment, late bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tail.Load() != full || m.useSpare() {
		return true
	}
	if m.fault == nil && !late {
		return false
	}
	if m.fault == nil {
		m.setFault(errSlow)
		m.faultEnd = time.Time{} // the keeper is at it
	}
	m.follow(newMemory(full.seal()))
	return true
}

// useSpare makes the spare segment the tail; the caller holds the lock.
func (m *Mapped) useSpare() bool {
	s := m.spare
	if s == nil {
		return false
	}
	m.spare = nil
	full := m.tail.Load()
	end := full.seal()
	if s.base < end {
		m.dead = append(m.dead, s) // memory grew past it meanwhile
		return false
	}
	if err := s.begin(end); err != nil {
		m.dead = append(m.dead, s)
		m.setFault(err)
		return false
	}
	m.follow(s)
	m.stray = false
	return true
}

// memory returns how many bytes the segments in memory take.
func (m *Mapped) memory() (n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.segments {
		if s.file == nil {
			n += int64(len(s.data))
		}
	}
	return n
}

// fail goes on in memory when the mapping of s is at fault.
func (m *Mapped) fail(s *segment, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tail.Load() != s {
		return
	}
	m.setFault(err)
	if m.spare != nil { // what broke the one may have broken the other
		m.dead = append(m.dead, m.spare)
		m.spare = nil
	}
	m.follow(newMemory(s.seal()))
}

// setFault takes note of err until the next attempt has succeeded; the caller
// holds the lock, or is alone.
func (m *Mapped) setFault(err error) {
	if m.fault == nil {
		m.log.Error("journal disk at fault; what can't be written is kept in memory and would be lost with the process",
			zap.String("directory", m.dir), zap.Error(err))
	}
	m.fault, m.faultEnd = err, time.Now().Add(m.retry)
}

func (m *Mapped) report(d damage) {
	m.log.Error("journal damaged; what stood there is lost", zap.String("segment", d.in.place()),
		zap.Uint64("from", uint64(d.from)), zap.Uint64("to", uint64(d.to)), zap.Error(d.cause))
}

// poke has the keeper look at once.
func (m *Mapped) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Release implements [Journal].
func (m *Mapped) Release(p Position) {
	gone := m.released(p)
	if len(gone) == 0 {
		return
	}
	m.mu.Lock()
	m.dead = append(m.dead, gone...)
	m.mu.Unlock()
	m.poke()
}

// Status implements [Journal].
func (m *Mapped) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	inMemory, place := m.tail.Load().file == nil, m.maxSize
	if inMemory {
		place = min(place, maxMemory)
	}
	return Status{
		Size:     m.size(),
		MaxSize:  m.maxSize,
		Room:     m.room(place),
		Fault:    m.fault,
		InMemory: m.stray || inMemory,
	}
}

// Close implements [Journal]. The error is that a file could not be unmapped or
// removed.
func (m *Mapped) Close() error {
	close(m.quit)
	m.keeping.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tail.Load().seal()
	if m.spare != nil {
		m.dead = append(m.dead, m.spare)
	}
	var err error
	for _, s := range m.dead {
		err = errors.Join(err, s.bury())
	}
	for _, s := range m.segments {
		err = errors.Join(err, s.unmap())
	}
	return err
}
