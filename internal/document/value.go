// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/modtap/modtap/internal/printable"
)

// maxNesting bounds slices and maps within each other; what lies deeper is null.
const maxNesting = 32

func (e *Encoder) appendValue(dst []byte, value pcommon.Value, depth int) []byte {
	switch value.Type() {
	case pcommon.ValueTypeStr:
		return appendString(dst, value.Str())
	case pcommon.ValueTypeInt:
		return strconv.AppendInt(dst, value.Int(), 10)
	case pcommon.ValueTypeDouble:
		return appendFloat(dst, value.Double())
	case pcommon.ValueTypeBool:
		return strconv.AppendBool(dst, value.Bool())
	case pcommon.ValueTypeBytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, value.Bytes().AsRaw())
		return append(dst, '"')
	case pcommon.ValueTypeSlice:
		if depth < maxNesting {
			return e.appendSlice(dst, value.Slice(), depth+1)
		}
	case pcommon.ValueTypeMap:
		if depth < maxNesting {
			return e.appendMap(dst, value.Map(), depth+1)
		}
	}
	return append(dst, "null"...)
}

func (e *Encoder) appendSlice(dst []byte, values pcommon.Slice, depth int) []byte {
	dst = append(dst, '[')
	for i := range values.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.appendValue(dst, values.At(i), depth)
	}
	return append(dst, ']')
}

// appendMap writes a map with sorted keys; of two equal keys the first counts.
func (e *Encoder) appendMap(dst []byte, values pcommon.Map, depth int) []byte {
	bottom := len(e.fields)
	for name, value := range values.All() {
		e.fields = append(e.fields, field{name: validUTF8(name), value: value, order: len(e.fields)})
	}
	slices.SortFunc(e.fields[bottom:], func(a, b field) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return a.order - b.order
	})

	dst = append(dst, '{')
	// Values push their own keys above these, so the bounds are fixed here.
	for i, top := bottom, len(e.fields); i < top; i++ {
		f := e.fields[i]
		if i > bottom {
			if f.name == e.fields[i-1].name {
				continue
			}
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, f.name), ':')
		dst = e.appendValue(dst, f.value, depth)
	}
	clear(e.fields[bottom:])
	e.fields = e.fields[:bottom]
	return append(dst, '}')
}

// appendFloat writes a double so that it stays one: Elasticsearch would map a
// bare 3 as long and cut the next 3.5.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if !bytes.ContainsAny(dst[start:], ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

const hexDigits = "0123456789abcdef"

func appendHex(dst, id []byte) []byte {
	dst = append(dst, '"')
	for _, b := range id {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return append(dst, '"')
}

// appendString writes s as a JSON string (RFC 8259, section 7). What isn't printable
// is escaped as well, since people read JSON lines in terminals, and some readers
// break lines at U+2028 and U+2029.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0x7f {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if printable.Is(r) && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscaped(dst, r)
		i += size
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	case utf8.RuneError:
		return utf8.AppendRune(dst, r)
	}
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return appendUnit(appendUnit(dst, high), low)
	}
	return appendUnit(dst, r)
}

// appendUnit writes one unit of UTF-16.
func appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u', hexDigits[u>>12&15], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}
