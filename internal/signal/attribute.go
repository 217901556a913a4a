// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

// Attribute is one line of the table: a name, what it means, and where its value comes
// from on each thing that has it.
type Attribute struct {
	Name string
	Type Type
	// Unit is that of the value (https://ucum.org); empty: it has none.
	Unit string
	// Meaning is a sentence for the reference, in Markdown.
	Meaning string

	from sources
}

// Type is the type of an attribute's value.
type Type uint8

// The types of values.
const (
	String Type = iota + 1
	Int
	Double
	Bool
	Strings // a list; here of one
)

// String returns the type's name in the reference.
func (t Type) String() string {
	return [...]string{"", "string", "int", "double", "bool", "string[]"}[t]
}

// sources are where the value comes from, by what has the attribute; nil: it has none.
type sources struct {
	resource func(*Resource) value
	scope    func(*Resource) value // what all documents have in common
	server   func(*Told) value     // the span of an exchange
	document func(*Told) value
	client   func(*attempt) value // the span of an attempt
	upstream func(*attempt) value // its entry in the document
	session  func(*session.Closed) value
	phase    func(*exchange.Part) value // the span of a phase
	part     func(*exchange.Part) value // a field of the document, one a phase
}

// attempt is a request to an upstream, and for whose exchange.
type attempt struct {
	*exchange.Attempt

	told *Told
}

// value is one of any type. The zero value is none: the attribute is left out.
type value struct {
	is   Type
	text string
	bits uint64
}

func text(s string) value {
	if s == "" {
		return value{}
	}
	return value{is: String, text: s}
}

// required is there even where it is empty.
func required(s string) value { return value{is: String, text: s} }

func list(s string) value { return value{is: Strings, text: s} }

func number(n int64) value { return value{is: Int, bits: uint64(n)} }

func positive(n int64) value {
	if n <= 0 {
		return value{}
	}
	return number(n)
}

func decimal(f float64) value { return value{is: Double, bits: math.Float64bits(f)} }

func boolean(b bool) value {
	if b {
		return value{is: Bool, bits: 1}
	}
	return value{is: Bool}
}

// flag is true, or none.
func flag(b bool) value {
	if b {
		return boolean(true)
	}
	return value{}
}

// line is one attribute as one kind of thing has it.
type line[T any] struct {
	name string
	of   func(T) value
}

// lines are the attributes that have a source of this kind, in the table's order.
func lines[T any](source func(*sources) func(T) value) (set []line[T]) {
	for i := range table {
		if of := source(&table[i].from); of != nil {
			set = append(set, line[T]{name: table[i].Name, of: of})
		}
	}
	return set
}

// put adds the attributes that thing has a value of.
func put[T any](set []line[T], thing T, to pcommon.Map) {
	to.EnsureCapacity(len(set))
	for i := range set {
		set[i].put(thing, to)
	}
}

func (l *line[T]) put(thing T, to pcommon.Map) {
	switch v := l.of(thing); v.is {
	case String:
		to.PutStr(l.name, v.text)
	case Strings:
		to.PutEmptySlice(l.name).AppendEmpty().SetStr(v.text)
	case Int:
		to.PutInt(l.name, int64(v.bits))
	case Double:
		to.PutDouble(l.name, math.Float64frombits(v.bits))
	case Bool:
		to.PutBool(l.name, v.bits != 0)
	}
}

// Where returns what has the attribute: of document, server span, client span, session
// span, phase span and resource; none if only metrics have it.
func (a *Attribute) Where() (on []string) {
	for _, at := range [...]struct {
		name string
		has  bool
	}{
		{"document", a.InDocument()},
		{"server span", a.from.server != nil},
		{"client span", a.from.client != nil},
		{"session span", a.from.session != nil},
		{"phase span", a.from.phase != nil},
		{"resource", a.from.resource != nil},
	} {
		if at.has {
			on = append(on, at.name)
		}
	}
	return on
}

// InDocument reports whether documents of requests can have it.
func (a *Attribute) InDocument() bool {
	f := &a.from
	return f.document != nil || f.upstream != nil || f.part != nil || f.scope != nil || f.resource != nil
}
