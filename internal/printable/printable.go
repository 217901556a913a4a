// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package printable escapes what a terminal would play instead of showing:
// control characters, the Unicode characters that change the direction of text or
// can't be seen, and bytes that are no UTF-8. It is the only place that knows
// which these are.
package printable

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Is tells whether r shows as itself and nothing else: it is neither a control
// (Unicode's Cc), nor a format character (Cf: bidi controls, zero width, tags),
// nor a line or paragraph separator (Zl, Zp).
func Is(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r < 0x7f
	}
	return r > 0x9f && !unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Line returns s with everything in it escaped that isn't printable, as Go and
// JSON write it (\n, \u202e), bytes that are no UTF-8 as \x9b. A backslash stays as
// it is: the result is for people.
func Line(s string) string { return escape(s, Is) }

// Text is [Line] but for line feeds and tabs, which stay.
func Text(s string) string {
	return escape(s, func(r rune) bool { return r == '\n' || r == '\t' || Is(r) })
}

func escape(s string, keep func(rune) bool) string {
	first := strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !keep(r) })
	if first < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)+16), s[:first]...)
	for i := first; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, '\\', 'x', hex[s[i]>>4], hex[s[i]&15])
		case keep(r):
			b = append(b, s[i:i+size]...)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r > 0xffff:
			b = appendHex(append(b, `\U`...), r>>16)
			b = appendHex(b, r)
		default:
			b = appendHex(append(b, `\u`...), r)
		}
		i += size
	}
	return string(b)
}

const hex = "0123456789abcdef"

// appendHex appends the lower 16 bits of r.
func appendHex(b []byte, r rune) []byte {
	return append(b, hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
