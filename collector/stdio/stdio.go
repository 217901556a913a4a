// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package stdio is the one way to standard error. Whoever reads it may be slow, stop, or go away: a write to [Door] never waits,
// what can't be written is dropped and counted, and the fault is known to /healthy. Standard library and libraries write there too,
// through [os.Stderr] and package log: both lead here.
package stdio

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// room is how many bytes wait for a slow reader at most.
	room = 256 << 10
	// patience is how long one write may take until that is a fault.
	patience = 5 * time.Second
	// farewell is how long the end of the process waits for what is still to be written.
	farewell = 2 * time.Second
)

// A Door takes what is to be written, and writes it in a goroutine of its own.
type Door struct {
	to  io.Writer
	now func() time.Time

	mu      sync.Mutex
	waiting []byte
	wake    chan struct{} // has an element when something waits, or at the end
	closing bool
	ended   chan struct{}
	dropped int       // lines since the last that was written
	begun   time.Time // of the write that is under way; zero: there is none
	failed  error     // of the last write
	since   time.Time // of the fault
}

// Open returns a door to a writer. Close must be called.
func Open(to io.Writer) *Door {
	d := &Door{to: to, now: time.Now, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go d.run()
	return d
}

// Write implements [io.Writer]. It never waits and never fails.
func (d *Door) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closing || len(d.waiting)+len(p) > room:
		d.dropped += max(1, bytes.Count(p, []byte{'\n'}))
	default:
		d.waiting = append(d.waiting, p...)
	}
	d.poke()
	return len(p), nil
}

func (d *Door) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *Door) run() {
	defer close(d.ended)
	for range d.wake {
		for {
			next, last := d.take()
			if last {
				return
			}
			if len(next) == 0 {
				break
			}
			_, err := d.to.Write(next)
			d.wrote(next, err)
		}
	}
}

// take returns what waits; last says that nothing does and nothing will come.
func (d *Door) take() (next []byte, last bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next, d.waiting = d.waiting, nil
	if len(next) == 0 {
		return nil, d.closing
	}
	if d.dropped > 0 && d.failed == nil {
		next = fmt.Appendf(next, "modtap: warning: %d lines of this log were dropped: nobody read standard error\n", d.dropped)
		d.dropped = 0
	}
	d.begun = d.now()
	return next, false
}

func (d *Door) wrote(text []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.dropped += bytes.Count(text, []byte{'\n'})
		if d.failed == nil {
			d.since = d.begun
		}
	}
	d.begun, d.failed = time.Time{}, err
}

// Fault returns what is wrong with standard error and since when; nil: nothing.
func (d *Door) Fault() (time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.begun.IsZero() && d.now().Sub(d.begun) >= patience:
		return d.begun, fmt.Errorf("standard error: nobody reads it; %d lines dropped", d.dropped)
	case d.failed != nil:
		return d.since, fmt.Errorf("standard error: %w; %d lines dropped", d.failed, d.dropped)
	}
	return time.Time{}, nil
}

// Close writes what waits, if that takes no longer than a moment.
func (d *Door) Close() {
	d.mu.Lock()
	d.closing = true
	d.poke()
	d.mu.Unlock()
	select {
	case <-d.ended:
	case <-time.After(farewell):
	}
}

// taken is the door of the process; nil: none was taken.
var taken atomic.Pointer[Door]

// Fault is [Door.Fault] of the process's door.
func Fault() (time.Time, error) {
	if d := taken.Load(); d != nil {
		return d.Fault()
	}
	return time.Time{}, nil
}

// Take makes a door the way to standard error for the whole process, and returns what undoes it. From then on until the
// last line is written nothing ends for want of a reader. A panic's text goes the old way: what is at fault then may be
// this package.
func Take() (d *Door, undo func()) {
	die := surviveBrokenPipes()
	standard := os.Stderr
	d = Open(standard)
	taken.Store(d)
	read, write, err := os.Pipe()
	if err != nil { // Without descriptors there will be better reasons to stop.
		return d, func() { d.Close(); die() }
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(d, read) // ends when write is closed
	}()
	os.Stderr = write
	return d, func() {
		os.Stderr = standard
		_ = write.Close()
		<-copied
		_ = read.Close()
		d.Close()
		die()
	}
}

// surviveBrokenPipes makes a write to standard output or error whose reader is gone an error, which its writer handles. By
// default it ends a Go process (see "SIGPIPE" in package os/signal). The signal is taken rather than ignored: an ignored one
// would be ignored by git and go as well, which Modtap runs.
func surviveBrokenPipes() (undo func()) {
	unread := make(chan os.Signal, 1) // what finds no room is dropped
	signal.Notify(unread, syscall.SIGPIPE)
	return func() { signal.Stop(unread) }
}
