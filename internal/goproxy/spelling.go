// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import "strings"

// A proxy reads one path where a guard reads another as soon as one of them decodes
// once more, cleans, or ignores case. So what is guarded is either in the one
// spelling of the protocol ([Request.Plain]), or in all spellings at once ([Fold]).

// Folded is a text in the form in which all spellings of a path are alike. The zero
// value is that of an empty text.
type Folded struct {
	// Text has the path's elements, each behind a slash: percent-decoded until there
	// is nothing left to decode, in lower case, without the "!" of escaped capital
	// letters and without dots at the end. Every byte that can't be in a module path
	// separates elements, so that a query has elements too.
	Text string
	// Dots tells of a dot segment (RFC 3986, section 3.3), in whatever spelling. Text
	// is without them.
	Dots bool
	// Up tells of one that goes up: whoever resolves it takes elements of Text for
	// none, but adds none.
	Up bool
}

// Fold reads a path, or a request target, as the most generous of all readers
// would. Several texts are read as if a slash stood between them. The time is
// linear in their length.
func Fold(texts ...string) Folded {
	var onStack [256]byte
	b := onStack[:0]
	for _, s := range texts {
		b = appendDecoded(append(b, '/'), s)
	}
	var f Folded
	end := 0 // Of the elements that are done.
	w := 1   // Of the one that is being written; it never overtakes what is read.
	for i := 1; i <= len(b); i++ {
		c := byte('/')
		if i < len(b) {
			c = b[i]
		}
		switch {
		case isLower(c), isDigit(c), c == '-', c == '.', c == '_', c == '~':
			b[w] = c
			w++
		case isUpper(c):
			b[w] = c + ('a' - 'A')
			w++
		case c == '!':
		default:
			end = f.add(b, end, w)
			if i < len(b) {
				b[end] = '/'
			}
			w = end + 1
		}
	}
	f.Text = string(b[:end])
	return f
}

// FoldBare is [Fold] of a target without the parameters of its elements (RFC 3986,
// section 3.3): of /a;v=1/b some servers read /a/b.
func FoldBare(target string) Folded {
	b := appendDecoded(nil, target)
	bare, parameter := b[:0], false
	for _, c := range b {
		switch c {
		case ';':
			parameter = true
		case '/', '\\':
			parameter = false
		}
		if !parameter {
			bare = append(bare, c)
		}
	}
	return Fold(string(bare))
}

// add ends the element that stands behind the slash at end and returns where the
// next one's slash goes.
func (f *Folded) add(b []byte, end, w int) int {
	name := w
	for name > end+1 && b[name-1] == '.' {
		name--
	}
	switch dots := w - name; {
	case name > end+1:
		return name
	case dots > 0:
		f.Dots = true
		f.Up = f.Up || dots > 1
	}
	return end
}

// appendDecoded decodes s until nothing is left to decode: %252e is a dot.
func appendDecoded(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, s[i])
		for n := len(b); n >= 3 && escaped(b[n-3:]); n = len(b) {
			b[n-3] = unhex(b[n-2])<<4 | unhex(b[n-1])
			b = b[:n-2]
		}
	}
	return b
}

// Below returns what stands behind the first element of that name; ok is false if
// there is none.
func (f Folded) Below(element string) (below Folded, ok bool) {
	for rest := f.Text; rest != ""; {
		var name string
		name, rest = cutElement(rest)
		if name == element {
			f.Text = rest
			return f, true
		}
	}
	return Folded{}, false
}

// Elements returns the elements of Text.
func (f Folded) Elements() func(yield func(element, rest string) bool) {
	return func(yield func(element, rest string) bool) {
		for rest := f.Text; rest != ""; {
			var element string
			if element, rest = cutElement(rest); !yield(element, rest) {
				return
			}
		}
	}
}

// cutElement cuts the first element of a Text from the others.
func cutElement(text string) (element, rest string) {
	text = text[1:]
	if slash := strings.IndexByte(text, '/'); slash >= 0 {
		return text[:slash], text[slash:]
	}
	return text, ""
}

// Plain tells whether target, the request target as it was written, is r in the
// spelling of the protocol, so that no reader takes it for something else: no
// query ("the requests have no query parameters", says
// https://go.dev/ref/mod#goproxy-protocol), each slash a slash, nothing escaped
// twice, and a prefix of ordinary elements, none of them sumdb. path is target's
// decoded path, of which r was parsed.
func (r Request) Plain(target, path string) bool {
	if r.Operation == Other || strings.ContainsAny(target, "?#") || strings.Count(target, "/") != strings.Count(path, "/") {
		return false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c < ' ', c >= 0x7f, c == '\\', c == ';', c == '?':
			return false
		case c == '%' && i+2 < len(path) && escaped([]byte(path[i:i+3])):
			return false
		case c == '/' && (strings.HasPrefix(path[i:], "//") || strings.HasPrefix(path[i:], "/./") || strings.HasPrefix(path[i:], "/../")):
			return false
		}
	}
	if r.Prefix == "" {
		return true
	}
	prefix := Fold(r.Prefix)
	_, sumdb := prefix.Below("sumdb")
	return !sumdb && !prefix.Dots
}

// escaped tells whether b is a percent-encoded byte.
func escaped(b []byte) bool { return b[0] == '%' && isHex(b[1]) && isHex(b[2]) }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func unhex(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case isLower(c):
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
