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
	scale  int32
	zero   uint64
	offset int32
	counts []uint64 // of the buckets offset, offset+1, ...
}

func (h *exponential) add(v float64) {
	if v <= 0 {
		h.zero++
		return
	}
	if len(h.counts) == 0 {
		h.scale = maxScale
		h.offset = bucketIndex(v, h.scale)
		h.counts = append(h.counts, 1)
		return
	}
	i := bucketIndex(v, h.scale)
	for h.span(i) > maxBuckets {
		h.halve()
		i = bucketIndex(v, h.scale)
	}
	if i < h.offset {
		grown := make([]uint64, int(h.offset-i)+len(h.counts))
		copy(grown[h.offset-i:], h.counts)
		h.counts, h.offset = grown, i
	}
	for int(i-h.offset) >= len(h.counts) {
		h.counts = append(h.counts, 0)
	}
	h.counts[i-h.offset]++
}

// span is the number of buckets needed to hold bucket i too.
func (h *exponential) span(i int32) int {
	low, high := min(i, h.offset), max(i, h.offset+int32(len(h.counts))-1)
	return int(high) - int(low) + 1
}

// halve goes to the next coarser scale: two neighbours become one.
func (h *exponential) halve() {
	offset := h.offset >> 1
	merged := make([]uint64, (h.offset+int32(len(h.counts))-1)>>1-offset+1)
	for i, n := range h.counts {
		merged[(h.offset+int32(i))>>1-offset] += n
	}
	h.scale--
	h.offset, h.counts = offset, merged
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
