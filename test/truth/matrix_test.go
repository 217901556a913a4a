// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// matrix counts what was said (columns) of each truth (rows).
type matrix map[string]map[string]int

func (m matrix) add(truth, said string) {
	if m[truth] == nil {
		m[truth] = map[string]int{}
	}
	m[truth][said]++
}

func (m matrix) total() (n int) {
	for _, row := range m {
		for _, count := range row {
			n += count
		}
	}
	return n
}

// share is the part of all that one column has.
func (m matrix) share(columns ...string) float64 {
	n := 0
	for _, row := range m {
		for _, said := range columns {
			n += row[said]
		}
	}
	return float64(n) / float64(max(1, m.total()))
}

func (m matrix) String() string {
	columns := map[string]bool{}
	width := len("truth")
	for truth, row := range m {
		width = max(width, len(truth))
		for said := range row {
			columns[said] = true
		}
	}
	names := slices.Sorted(maps.Keys(columns))
	var b strings.Builder
	fmt.Fprintf(&b, "| %-*s |", width, "truth")
	for _, said := range names {
		fmt.Fprintf(&b, " %*s |", max(6, len(said)), said)
	}
	b.WriteString("\n|" + strings.Repeat("-", width+2) + "|")
	for _, said := range names {
		b.WriteString(strings.Repeat("-", max(6, len(said))+2) + "|")
	}
	for _, truth := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "\n| %-*s |", width, truth)
		for _, said := range names {
			fmt.Fprintf(&b, " %*d |", max(6, len(said)), m[truth][said])
		}
	}
	return b.String()
}
