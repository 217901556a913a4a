// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestEveryRune (case 16): a document holds no rune raw that a terminal plays, and is
// the same text to whoever parses it.
func TestEveryRune(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		in := "a" + string(r) + "b"
		got := string(appendString(nil, in))
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && strings.ContainsRune(got, r) {
			t.Fatalf("%+q stands raw in %+q", r, got)
		}
		var out string
		if err := json.Unmarshal([]byte(got), &out); err != nil || out != in {
			t.Fatalf("%+q became %+q (%v), which is %+q", in, got, err, out)
		}
	}
	for c := 0x80; c < 0x100; c++ {
		if got := string(appendString(nil, "a"+string([]byte{byte(c)})+"b")); got != "\"a\uFFFDb\"" {
			t.Fatalf("byte %x became %+q", c, got)
		}
	}
}
