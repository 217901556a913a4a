// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"cmp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// maxShapes is how many shapes are remembered. What a proxy is asked for has few.
const maxShapes = 32

// shape is how documents with the same fields are written: which one follows which, and
// the braces and keys between them. Only the values differ from one to the next.
type shape struct {
	of    []field // without their values
	steps []step
	end   string
}

// step is a field and what stands before its value.
type step struct {
	lead  string
	field int // its index
}

// shapes are the last ones that were made.
type shapes struct {
	known []*shape
	next  int // to be replaced once there are [maxShapes]
}

// of returns the shape of a document with these fields.
func (s *shapes) of(fields []field) *shape {
	for i, known := range s.known {
		if known.fits(fields) {
			if i > 0 { // The next one is likely to be the same.
				s.known[i-1], s.known[i] = known, s.known[i-1]
			}
			return known
		}
	}
	made := newShape(fields)
	if len(s.known) < maxShapes {
		s.known = append(s.known, made)
	} else {
		s.known[s.next] = made
		s.next = (s.next + 1) % maxShapes
	}
	return made
}

func (s *shape) fits(fields []field) bool {
	if len(s.of) != len(fields) {
		return false
	}
	for i := range fields {
		a, b := &s.of[i], &fields[i]
		if a.order != b.order || a.source != b.source || a.name != b.name {
			return false
		}
	}
	return true
}

// placed is a field in the order of the document.
type placed struct {
	name  string
	order int
	field int
}

func newShape(fields []field) *shape {
	s := &shape{of: slices.Clone(fields)}
	all := make([]placed, len(fields))
	for i := range fields {
		s.of[i].value = pcommon.Value{}
		all[i] = placed{name: fields[i].name, order: fields[i].order, field: i}
	}
	s.write(resolve(all))
	return s
}

// resolve sorts fields, drops those whose name is taken, and moves a scalar out of the
// way of an object of the same name.
func resolve(all []placed) []placed {
	slices.SortFunc(all, comparePlaced)
	all = slices.CompactFunc(all, func(a, b placed) bool { return a.name == b.name })

	moved := false
	for i := range len(all) - 1 {
		name := all[i].name
		if !isBeneath(all[i+1].name, name) {
			continue
		}
		free := name + ".value"
		for taken(all[i+1:], name, free) {
			free += "_"
		}
		all[i].name = free
		moved = true
	}
	if moved {
		slices.SortFunc(all, comparePlaced)
	}
	return all
}

// taken tells whether name, or something beneath it, is among the fields
// beneath parent, which come first.
func taken(fields []placed, parent, name string) bool {
	for _, f := range fields {
		if !isBeneath(f.name, parent) {
			return false
		}
		if f.name == name || isBeneath(f.name, name) {
			return true
		}
	}
	return false
}

func comparePlaced(a, b placed) int {
	return cmp.Or(compareNames(a.name, b.name), cmp.Compare(a.order, b.order))
}

// write makes the sorted fields nested objects: between one field and the next it
// closes the objects that both don't share and opens the new ones.
func (s *shape) write(all []placed) {
	lead := []byte{'{'}
	previous, open := "", 0
	for i, f := range all {
		shared, rest := 0, f.name
		if i > 0 {
			shared, rest = sharedObjects(previous, f.name)
			for ; open > shared; open-- {
				lead = append(lead, '}')
			}
			lead = append(lead, ',')
		}
		for {
			part, after, more := strings.Cut(rest, ".")
			lead = append(appendString(lead, part), ':')
			if !more {
				break
			}
			lead = append(lead, '{')
			open++
			rest = after
		}
		s.steps = append(s.steps, step{lead: string(lead), field: f.field})
		lead, previous = lead[:0], f.name
	}
	s.end = strings.Repeat("}", open+1)
}
