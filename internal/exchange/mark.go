// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

// Mark is how far a source was read: everything up to it is in the journal. What a
// source is called and where in it At stands is for its receiver to say, so that it
// finds the place again: a file's identity and an offset in it, for example.
type Mark struct {
	// Source is the source's name, at most [MaxSource] bytes. Empty: it is none, and
	// there is no mark.
	Source string
	// At is the place behind what was read last, at most [MaxMark] bytes.
	At []byte
}

// What a record keeps of a mark, in bytes: a longer one isn't cut, but refused.
const (
	MaxSource = 1024
	MaxMark   = 256
)

// Fits reports whether a record can keep m.
func (m *Mark) Fits() bool { return len(m.Source) <= MaxSource && len(m.At) <= MaxMark }

// appendMark appends m as a field; nothing if there is none, or one that doesn't fit.
func appendMark(dst []byte, tag byte, m *Mark) []byte {
	if m.Source == "" || !m.Fits() {
		return dst
	}
	dst, at := openField(dst, tag)
	dst = appendString(dst, m.Source, MaxSource)
	return closeField(append(dst, m.At...), at)
}

// mark takes a mark, which is a whole field.
func (d *decoder) mark() Mark {
	m := Mark{Source: d.string()}
	if at := d.take(len(d.s)); at != "" {
		m.At = []byte(at)
	}
	if !m.Fits() {
		return Mark{} // a newer Modtap keeps longer ones
	}
	return m
}
