// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

// windowSize is how far behind the highest number of its run a document may come
// and still be told from its copy. The engine tells in order; what another
// Modtap sends over the network may be late.
const windowSize = 1 << 15

// window remembers which numbers of one run are written. Numbers too far behind
// the highest count as written. The zero value remembers none.
type window struct {
	// lowest is where the remembering begins: what is below was written before
	// the part of the file that was read.
	lowest  uint64
	highest uint64
	written [windowSize / 64]uint64 // A ring of bits.
}

func (w *window) has(number uint64) bool {
	switch {
	case number > w.highest:
		return false
	case number < w.lowest || w.highest-number >= windowSize:
		return true
	}
	word, bit := slot(number)
	return w.written[word]&bit != 0
}

func (w *window) add(number uint64) {
	switch {
	case number > w.highest:
		w.moveTo(number)
	case w.highest-number >= windowSize:
		return
	}
	word, bit := slot(number)
	w.written[word] |= bit
}

// moveTo makes number the highest, and forgets those whose slots are used again.
func (w *window) moveTo(number uint64) {
	if number-w.highest >= windowSize {
		clear(w.written[:])
		w.highest = number
		return
	}
	for w.highest < number {
		w.highest++
		word, bit := slot(w.highest)
		w.written[word] &^= bit
	}
}

func slot(number uint64) (word int, bit uint64) {
	return int(number % windowSize / 64), 1 << (number % 64)
}
