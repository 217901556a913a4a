// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBucketIndexHoldsTheValue(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		v := math.Exp(r.Float64()*60 - 30)
		scale := int32(r.IntN(12) - 3)
		i := bucketIndex(v, scale)
		base := math.Exp2(math.Exp2(-float64(scale)))
		assert.Greater(t, v*(1+1e-9), math.Pow(base, float64(i)))
		assert.LessOrEqual(t, v*(1-1e-9), math.Pow(base, float64(i+1)))
	}
	for exp := -30; exp <= 30; exp++ { // exact powers of two are upper bounds, inclusive
		for scale := int32(0); scale <= maxScale; scale++ {
			assert.Equal(t, int32(exp)<<scale-1, bucketIndex(math.Ldexp(1, exp), scale))
		}
	}
	assert.Equal(t, int32(0), bucketIndex(4, -1), "(1,4]")
	assert.Equal(t, int32(1), bucketIndex(4.1, -1), "(4,16]")
	assert.Equal(t, int32(-1), bucketIndex(1, -1), "(1/4,1]")
}

func TestExponentialKeepsEveryValueWithinItsBound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var h exponential
	const n = 10_000
	for i := range n {
		v := 0.0
		if i%100 != 0 {
			v = math.Exp(r.NormFloat64()*4 - 5)
		}
		h.add(v)
		require.LessOrEqual(t, len(h.Counts), maxBuckets)
		require.LessOrEqual(t, h.Scale, int32(maxScale))
	}
	total := h.Zero
	for _, c := range h.Counts {
		total += c
	}
	assert.Equal(t, uint64(n), total)
	assert.Equal(t, uint64(n/100), h.Zero)
}

func TestExponentialIsTheSameInAnyOrder(t *testing.T) {
	values := []float64{0.001, 1000, 0.5, 3, 3, 70, 0.002, 1e6}
	var a, b exponential
	for i := range values {
		a.add(values[i])
		b.add(values[len(values)-1-i])
	}
	assert.Equal(t, trimmed(a), trimmed(b))
}

// trimmed drops empty buckets at the edges, which depend on the order.
func trimmed(h exponential) exponential {
	for len(h.Counts) > 0 && h.Counts[0] == 0 {
		h.Counts, h.Offset = h.Counts[1:], h.Offset+1
	}
	for len(h.Counts) > 0 && h.Counts[len(h.Counts)-1] == 0 {
		h.Counts = h.Counts[:len(h.Counts)-1]
	}
	return h
}
