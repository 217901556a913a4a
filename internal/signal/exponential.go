// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import "math"

// maxScale and maxBuckets bound an exponential histogram: scale 8 is the finest
// schema that Prometheus knows.
const (
	maxScale   = 8
	maxBuckets = 160
)

// exponential is a histogram whose buckets grow by the factor 2^(2^-scale)
// (https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram).
// It holds values from zero on. The zero value is empty.
type exponential struct {
	Scale  int32
	Zero   uint64
	Offset int32
	Counts []uint64 // of the buckets offset, offset+1, ...
}

func (h *exponential) add(v float64) {
	if v <= 0 {
		h.Zero++
		return
	}
	if len(h.Counts) == 0 {
		h.Scale = maxScale
		h.Offset = bucketIndex(v, h.Scale)
		h.Counts = append(h.Counts, 1)
		return
	}
	i := bucketIndex(v, h.Scale)
	for h.span(i) > maxBuckets {
		h.halve()
		i = bucketIndex(v, h.Scale)
	}
	if i < h.Offset {
		grown := make([]uint64, int(h.Offset-i)+len(h.Counts))
		copy(grown[h.Offset-i:], h.Counts)
		h.Counts, h.Offset = grown, i
	}
	for int(i-h.Offset) >= len(h.Counts) {
		h.Counts = append(h.Counts, 0)
	}
	h.Counts[i-h.Offset]++
}

// span is the number of buckets needed to hold bucket i too.
func (h *exponential) span(i int32) int {
	low, high := min(i, h.Offset), max(i, h.Offset+int32(len(h.Counts))-1)
	return int(high) - int(low) + 1
}

// halve goes to the next coarser scale: two neighbours become one.
func (h *exponential) halve() {
	offset := h.Offset >> 1
	merged := make([]uint64, (h.Offset+int32(len(h.Counts))-1)>>1-offset+1)
	for i, n := range h.Counts {
		merged[(h.Offset+int32(i))>>1-offset] += n
	}
	h.Scale--
	h.Offset, h.Counts = offset, merged
}

// bucketIndex returns the index i with base^i < v <= base^(i+1).
func bucketIndex(v float64, scale int32) int32 {
	frac, exp := math.Frexp(v) // v = frac * 2^exp, 0.5 <= frac < 1
	if frac == 0.5 {
		// A power of two is the upper, inclusive bound of its bucket; the logarithm
		// could round to either side.
		if scale <= 0 {
			return (int32(exp) - 2) >> -scale
		}
		return (int32(exp)-1)<<scale - 1
	}
	if scale <= 0 {
		return (int32(exp) - 1) >> -scale
	}
	return int32(math.Ceil(math.Ldexp(math.Log2(frac)+float64(exp), int(scale)))) - 1
}
