// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package suggest finds what somebody meant who mistyped a name.
package suggest

import (
	"slices"
	"strings"
)

// farthest is how many mistakes a name may have to be taken for another one: a
// letter too many, missing, wrong, or swapped with the next. Half of a short name
// may not be wrong.
const farthest = 2

// Nearest returns the candidate with the fewest mistakes in word, the first in
// alphabetical order of several; "" if none is near. Upper case counts as lower
// case, a hyphen as an underscore.
func Nearest(word string, candidates []string) string {
	nearest, least := "", farthest+1
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
		if d := distance(plain(word), plain(candidate)); d < least && 2*d < len(candidate) {
			nearest, least = candidate, d
		}
	}
	return nearest
}

// DidYouMean returns "did you mean X?", or otherwise where nothing is near.
func DidYouMean(word string, candidates []string, otherwise string) string {
	if nearest := Nearest(word, candidates); nearest != "" {
		return "did you mean " + nearest + "?"
	}
	return otherwise
}

// Among says what was meant, if something is near, and in any case what there is.
func Among(word string, candidates []string) string {
	there := "there are " + strings.Join(slices.Sorted(slices.Values(candidates)), ", ")
	if nearest := Nearest(word, candidates); nearest != "" {
		return "did you mean " + nearest + "? " + there
	}
	return there
}

func plain(word string) string { return strings.ReplaceAll(strings.ToLower(word), "-", "_") }

// distance is the optimal string alignment distance of Damerau and Levenshtein,
// in bytes; farthest+1 for words whose lengths alone differ by more.
func distance(a, b string) int {
	if max(len(a), len(b))-min(len(a), len(b)) > farthest {
		return farthest + 1
	}
	var before []int // the row of a[:i-2]
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
