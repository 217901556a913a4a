// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package printable

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// TestEveryRune tries all of Unicode: what isn't shown as itself is escaped, all
// else stays.
func TestEveryRune(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		hidden := unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
		text := "a" + string(r) + "b"
		got := Line(text)
		if hidden == (got == text) || hidden && strings.ContainsRune(got, r) {
			t.Fatalf("Line(%+q) = %+q", text, got)
		}
		if line := r == '\n' || r == '\t'; line != (Text(text) == text) && hidden {
			t.Fatalf("Text(%+q) = %+q", text, Text(text))
		}
	}
}

func TestEveryInvalidByte(t *testing.T) {
	for c := 0x80; c < 0x100; c++ {
		got := Line("a" + string([]byte{byte(c)}) + "b")
		assert.Regexp(t, `^a\\x[89a-f][0-9a-f]b$`, got)
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"plain ünicode\u00a0": "plain ünicode\u00a0",
		"\x1b[31mred\r\n":     `\u001b[31mred\r\n`,
		"\u009b2J\u0085":      `\u009b2J\u0085`,
		"\u202egpj.exe":       `\u202egpj.exe`,
		"\U000e0041":          `\U000e0041`,
		"\ufffd":              "\ufffd",
		"tab\there":           `tab\there`,
	} {
		assert.Equal(t, want, Line(in))
	}
	assert.Equal(t, "tab\there\nx\\u001b", Text("tab\there\nx\x1b"))
}
