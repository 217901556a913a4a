// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// CutMark ends a value that was longer than what a record keeps.
const CutMark = "…"

func appendSpan(dst []byte, s *Span) []byte {
	dst = append(dst, s.TraceID[:]...)
	dst = append(dst, s.SpanID[:]...)
	dst = append(dst, s.ParentID[:]...)
	dst = append(dst, s.Flags)
	return appendString(dst, cutState(s.State), maxURL)
}

// cutState leaves whole members of a tracestate out, from its end, where it is
// longer than what a record keeps
// (https://www.w3.org/TR/trace-context/#tracestate-limits).
func cutState(state string) string {
	for len(state) > maxURL {
		state = state[:max(0, strings.LastIndexByte(state, ','))]
	}
	return state
}

func appendTime(dst []byte, t Time) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(t))
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// appendString appends s, cut at a character's edge and marked if it is longer than limit.
func appendString(dst []byte, s string, limit int) []byte {
	if len(s) <= limit {
		if len(s) < 0x80 { // nearly all are
			return append(append(dst, byte(len(s))), s...)
		}
		return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
	}
	n := limit - len(CutMark)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	dst = binary.AppendUvarint(dst, uint64(n+len(CutMark)))
	dst = append(dst, s[:n]...)
	return append(dst, CutMark...)
}
