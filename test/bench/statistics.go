// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"math"
	"slices"
)

// Quantile returns the smallest of the values that a share q of them doesn't exceed; the zero value where there are none. 0.5 is the
// lower median. It sorts the values.
func Quantile[T ~int64 | ~float64](values []T, q float64) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	rank := int(math.Ceil(q * float64(len(values))))
	return values[min(max(rank, 1), len(values))-1]
}

// Median returns the middle of the values, or the mean of the two in the middle; 0 where there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Ratios divides values by those of the base in the same round. A slow minute of the machine slows both of a pair, so ratios are
// steadier than what they are made of. Rounds that one of the two lacks are left out.
func Ratios(values, base []float64) []float64 {
	ratios := make([]float64, 0, len(values))
	for i := range min(len(values), len(base)) {
		ratios = append(ratios, values[i]/base[i])
	}
	return ratios
}
