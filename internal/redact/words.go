// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"iter"
	"strings"
	"unicode"
)

type span struct{ start, end int }

// words yields where the words of s are: what stands between white space and
// quotes, without the punctuation behind it.
func words(s string) iter.Seq[span] {
	return func(yield func(span) bool) {
		for i := 0; i < len(s); {
			start := strings.IndexFunc(s[i:], func(r rune) bool { return !parts(r) })
			if start < 0 {
				return
			}
			start += i
			end := strings.IndexFunc(s[start:], parts)
			if end < 0 {
				end = len(s)
			} else {
				end += start
			}
			word := span{start, start + len(strings.TrimRight(s[start:end], `:.,;|)]}!\`))}
			if word.end > word.start && !yield(word) {
				return
			}
			i = end
		}
	}
}

func parts(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("\"'`<>", r)
}
