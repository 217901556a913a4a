// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

// walk hands over the records of segments and counts what can't be read.
type walk struct {
	buf     []byte // MaxRecord long
	fn      func(p Position, record []byte)
	damaged func(damage)
	hole    func(s *segment, off int) (size int)
}

// segment walks s from the position at on, as far as it is written, and returns
// how far it came.
func (w *walk) segment(s *segment, at Position) Position {
	off := (int(at-s.base) + wordSize - 1) &^ (wordSize - 1)
	bad, good := -1, off // what can't be read begins at bad, if any
	var cause error
	report := func() {
		if bad >= 0 {
			w.damaged(damage{in: s, from: s.base + Position(bad), to: s.base + Position(off), cause: cause})
		}
		bad, cause = -1, nil
	}
	for final := 0; ; {
		// The extent is taken before the record is looked at: what isn't there
		// then, though nobody was writing, will never be.
		used, _, settled := s.extent()
		if settled {
			final = used
		}
		if off >= used {
			off = max(good, used)
			report()
			return s.base + Position(off)
		}
		record, ok, err := s.tryGet(off, used, w.buf)
		if ok {
			report()
			off += recordSize(len(record))
			good = off
			w.fn(s.base+Position(off), record)
			continue
		}
		if off >= final {
			// Somebody may be writing here; what is bad before it is told when
			// it is known how far that goes.
			return s.base + Position(good)
		}
		if size := w.hole(s, off); size > 0 {
			report()
			off += size
			good = off
			continue
		}
		if bad < 0 {
			bad = off
		}
		if err != nil {
			cause = err
		}
		off = skip(s, off, used, err)
	}
}

// skip returns where to look for a record next, behind a place that has none.
func skip(s *segment, off, used int, err error) int {
	switch {
	case off >= len(s.data):
		return used // the file was cut
	case err != nil:
		return (off/pageSize + 1) * pageSize
	default:
		return off + wordSize
	}
}
