// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// leftover is a segment file of an earlier run.
type leftover struct {
	*segment
	header header
	whole  bool // the header can be trusted
	named  bool // the name says where the segment begins
}

// takeOver puts what earlier runs left into the chain and returns where this run
// begins, past everything that ever was: positions are bytes, but a run begins
// no earlier than the clock says in nanoseconds, so that it is also past what
// was only in memory or was deleted. behind is where the old records end.
func (m *Mapped) takeOver() (base, behind Position, err error) {
	if err := probe(m.dir); err != nil {
		return 0, 0, err
	}
	now := Position(time.Now().UnixNano()) &^ (wordSize - 1)
	placed, rest, err := m.leftovers(now)
	if err != nil {
		return 0, 0, err
	}
	base = now
	for i, l := range placed {
		var next *leftover
		if i+1 < len(placed) {
			next = placed[i+1]
		}
		base = max(base, l.bound(next))
		if next == nil && l.empty() {
			behind = l.behind
			m.remove(l)
			continue
		}
		m.segments = append(m.segments, l.segment)
		behind = l.end()
	}
	if n := len(m.segments); n > 0 && m.segments[n-1] == placed[len(placed)-1].segment {
		m.trim(placed[len(placed)-1])
	}
	for _, l := range rest {
		// Nobody knows where it belongs; it is told of, and removed, at the end.
		l.base, l.behind, l.data = base, behind, nil
		l.file.size = 0 // it must not force out what is good
		l.state.Store(sealed | wordSize)
		m.segments = append(m.segments, l.segment)
		base += wordSize
	}
	return (base + 4095) &^ 4095, behind, nil
}

// leftovers returns the segments that lie in the directory: those whose place
// is known, in order, and the rest.
func (m *Mapped) leftovers(now Position) (placed, rest []*leftover, err error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return nil, nil, err
	}
	newest := now
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) || e.IsDir() {
			continue
		}
		l := m.load(e.Name())
		switch {
		case l == nil:
		case l.whole || l.holdsRecords():
			placed = append(placed, l)
			newest = max(newest, l.base+Position(len(l.data)))
		default:
			rest = append(rest, l)
		}
	}
	// What has nothing but its name to show is believed if that isn't absurd.
	rest = slices.DeleteFunc(rest, func(l *leftover) bool {
		if l.named && l.base <= newest {
			placed = append(placed, l)
			return true
		}
		return false
	})
	slices.SortStableFunc(placed, func(a, b *leftover) int {
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.start, b.start)*-1)
	})
	var before *leftover
	placed = slices.DeleteFunc(placed, func(l *leftover) bool {
		if before != nil && l.base < before.base+Position(len(before.data)) {
			if before.whole || l.base == before.base {
				rest = append(rest, l) // a copy, or a lie
				return true
			}
			before.data = before.data[:l.base-before.base]
		}
		before = l
		return false
	})
	return placed, rest, nil
}

// load maps a file; nil means that it was made and never used.
func (m *Mapped) load(name string) *leftover {
	f := &file{path: filepath.Join(m.dir, name)}
	l := &leftover{segment: &segment{file: f}}
	if err := f.open(); err != nil {
		m.log.Warn("journal segment not readable", zap.Error(err))
	}
	l.data = f.mapping[:len(f.mapping)&^(wordSize-1)]
	l.base, l.named = parseName(name)
	var zero int
	if err := l.read(func() {
		l.header, l.whole = parseHeader(l.data)
		zero = l.zeroFrom()
	}); err != nil {
		m.log.Warn("journal segment not readable", zap.Error(err))
		zero = len(l.data)
	}
	if !l.whole && len(l.data) > headerSize && zero <= headerSize {
		m.remove(l)
		return nil
	}
	if l.whole {
		if l.named && l.base == l.header.base {
			l.start = headerSize
		}
		l.base, l.behind = l.header.base, l.header.behind
		l.data = l.data[:min(len(l.data), l.header.size&^(wordSize-1))]
	}
	l.state.Store(sealed | uint64(len(l.data)))
	return l
}

func (m *Mapped) remove(l *leftover) {
	if err := l.bury(); err != nil {
		m.log.Warn("journal segment not removed", zap.Error(err))
	}
}

// open maps what is in the file, as far as a segment can reach.
func (f *file) open() (err error) {
	h, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if f.info, err = h.Stat(); err != nil {
		return err
	}
	if !f.info.Mode().IsRegular() {
		return &fs.PathError{Op: "open", Path: f.path, Err: errors.New("not a regular file")}
	}
	f.size = min(f.info.Size(), maxSegment)
	if f.size > 0 {
		f.mapping, err = mapFile(h, int(f.size), false)
	}
	return err
}

// read runs fn, which touches the segment's bytes, with an error instead of a
// crash.
func (s *segment) read(fn func()) (err error) {
	defer s.guard(debug.SetPanicOnFault(true), &err)
	fn()
	return nil
}

// holdsRecords reports whether there is a record that belongs where the name
// says.
func (l *leftover) holdsRecords() bool {
	return l.named && l.lastRecord() > 0
}

// lastRecord returns where the last record ends; 0 if there is none.
func (l *leftover) lastRecord() int {
	var last Position
	w := walk{
		buf:     make([]byte, MaxRecord),
		fn:      func(p Position, _ []byte) { last = p },
		damaged: func(damage) {},
		hole:    func(*segment, int) int { return 0 },
	}
	w.segment(l.segment, l.base)
	return int(max(last, l.base) - l.base)
}

// bound says how far the segment was used. The one that follows knows; the last
// one reaches as far as there is anything in it, or, if it was cut, as it once
// did. A place for one word makes a file without content known as damaged. It
// returns a position past all that.
func (l *leftover) bound(next *leftover) Position {
	used := max(l.start, wordSize)
	if next != nil && next.whole && next.header.behind >= l.base && next.header.behind-l.base <= maxSegment {
		used = max(used, int(next.header.behind-l.base))
	} else if used = max(used, l.lastRecord()); next != nil || !l.unpublished(used) {
		used = max(used, l.content())
	}
	l.state.Store(sealed | uint64(used))
	if next != nil {
		next.behind = max(l.end(), next.header.behind)
	}
	return max(l.end(), l.base+Position(len(l.data)))
}

// unpublished reports whether what stands at off is a record that its writer died over:
// its word is written last, so the record was never there.
func (l *leftover) unpublished(off int) (yes bool) {
	if l.start != headerSize || off+wordSize > len(l.data) || len(l.data) < l.header.size {
		return false
	}
	err := l.read(func() { yes = l.word(off).Load() == 0 })
	return yes && err == nil
}

// empty reports whether a segment was begun and never got a record.
func (l *leftover) empty() bool {
	return l.start == headerSize && l.end() == l.base+headerSize && len(l.data) >= l.header.size
}

// content returns where the last bytes are that aren't zero.
func (l *leftover) content() (n int) {
	if err := l.read(func() { n = l.zeroFrom() }); err != nil {
		n = len(l.data)
	}
	if l.whole && l.header.size > len(l.data) {
		n = l.header.size &^ (wordSize - 1)
	}
	return n
}

// trim gives back the space that the last segment of a run didn't use, so that
// runs that end soon don't fill the journal.
func (m *Mapped) trim(l *leftover) {
	used := (int(l.end()-l.base) + pageSize - 1) / pageSize * pageSize
	if l.start != headerSize || used >= len(l.data) || len(l.data) < l.header.size {
		return
	}
	if err := l.shorten(used); err != nil {
		m.log.Warn("journal segment not trimmed", zap.Error(err))
		return
	}
	l.data, l.file.size = l.data[:used], int64(used)
}

// shorten cuts the file, with a header that says so first.
func (l *leftover) shorten(size int) (err error) {
	f, err := os.OpenFile(l.file.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	l.header.size = size
	b := make([]byte, headerSize)
	l.header.put(b)
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	return f.Truncate(int64(size))
}
