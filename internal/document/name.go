// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// The names of the fields that don't come from an attribute.
const (
	nameTimestamp = "@timestamp"
	nameTraceID   = "trace.id"
	nameSpanID    = "span.id"
	nameMessage   = "message"
	nameLevel     = "log.level"
	nameStart     = "event.start"
	nameEnd       = "event.end"
)

// maxParts is how deep a name nests. Elasticsearch refuses more than twenty
// (index.mapping.depth.limit), and JSON decoders have a limit as well.
const maxParts = 16

// fieldName makes an attribute's name one that can be split at its dots.
func fieldName(name string) string {
	if !isPlain(name) {
		name = repairName(name)
	}
	for _, own := range [...]string{nameTimestamp, nameTraceID, nameSpanID, nameMessage, nameLevel} {
		if isBeneath(name, own) {
			return own + "_" + name[len(own)+1:]
		}
	}
	return name
}

// isPlain tells quickly that a name needs no repair. It may err to the other
// side: blanks and letters beyond ASCII are left to repairName.
func isPlain(name string) bool {
	dots, last := 0, byte('.')
	for i := range len(name) {
		c := name[i]
		switch {
		case c <= ' ' || c >= utf8.RuneSelf:
			return false
		case c == '.':
			if last == '.' {
				return false
			}
			dots++
		}
		last = c
	}
	return last != '.' && dots < maxParts
}

func repairName(name string) string {
	parts := strings.SplitN(validUTF8(name), ".", maxParts)
	parts[len(parts)-1] = strings.ReplaceAll(parts[len(parts)-1], ".", "_")
	for i, part := range parts {
		if strings.TrimSpace(part) == "" {
			parts[i] = "_"
		}
	}
	return strings.Join(parts, ".")
}

// validUTF8 replaces each invalid byte, as appendString does.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// isBeneath tells whether name is a dotted continuation of parent.
func isBeneath(name, parent string) bool {
	return len(name) > len(parent) && name[len(parent)] == '.' && name[:len(parent)] == parent
}

// compareNames orders names part by part, so that all names beneath one object
// stand together and its keys come out sorted.
func compareNames(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch x, y := a[i], b[i]; {
		case x == y:
		case x == '.':
			return -1
		case y == '.':
			return +1
		default:
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// sharedObjects is the number of objects that a and b both lie in, and what is
// left of b inside the innermost of them.
func sharedObjects(a, b string) (shared int, rest string) {
	start := 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '.' {
			shared++
			start = i + 1
		}
	}
	return shared, b[start:]
}
