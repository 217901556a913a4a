// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"bytes"
	"container/list"

	"github.com/modtap/modtap/internal/exchange"
)

// maxMarks bounds the sources whose marks are kept; beyond it, the mark of the one that
// wasn't heard of for longest is forgotten.
const maxMarks = 1024

// marks are how far sources are read, by name.
type marks struct {
	byName map[string]*list.Element
	order  list.List // of *exchange.Mark, the one heard of last at the end
}

func newMarks(all []exchange.Mark) *marks {
	m := &marks{byName: make(map[string]*list.Element, len(all))}
	for i := range all {
		m.set(&all[i])
	}
	return m
}

// set takes the place of what was known of the mark's source.
func (m *marks) set(mark *exchange.Mark) {
	if mark.Source == "" {
		return
	}
	known := m.byName[mark.Source]
	if known == nil {
		known = m.order.PushBack(&exchange.Mark{Source: string([]byte(mark.Source))}) // not a part of its record
		m.byName[mark.Source] = known
	}
	m.order.MoveToBack(known)
	of := known.Value.(*exchange.Mark)
	of.At = append(of.At[:0], mark.At...)
	for len(m.byName) > maxMarks {
		oldest := m.order.Remove(m.order.Front()).(*exchange.Mark)
		delete(m.byName, oldest.Source)
	}
}

// at returns a copy of a source's mark; nil: there is none.
func (m *marks) at(source string) []byte {
	if known := m.byName[source]; known != nil {
		return bytes.Clone(known.Value.(*exchange.Mark).At)
	}
	return nil
}

// all returns a copy of the marks, that of the source heard of last at the end.
func (m *marks) all() []exchange.Mark {
	all := make([]exchange.Mark, 0, len(m.byName))
	for x := m.order.Front(); x != nil; x = x.Next() {
		of := x.Value.(*exchange.Mark)
		all = append(all, exchange.Mark{Source: of.Source, At: bytes.Clone(of.At)})
	}
	return all
}
