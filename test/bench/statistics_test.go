// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/test/bench"
)

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, tt := range []struct {
		name   string
		values []time.Duration
		q      float64
		want   time.Duration
	}{
		{"none", nil, 0.5, 0},
		{"one", []time.Duration{7}, 0.99, 7},
		{"lowest", hundred, 0, 1},
		{"median", hundred, 0.5, 50},
		{"p99", hundred, 0.99, 99},
		{"highest", hundred, 1, 100},
		{"unsorted", []time.Duration{3, 1, 2}, 0.5, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, bench.Quantile(tt.values, tt.q))
		})
	}
}

func TestMedian(t *testing.T) {
	values := []float64{9, 1, 5}
	assert.InDelta(t, 5, bench.Median(values), 0)
	assert.Equal(t, []float64{9, 1, 5}, values, "the order of rounds was changed")
	assert.InDelta(t, 3, bench.Median([]float64{1, 5}), 0)
	assert.Zero(t, bench.Median(nil))
}

func TestRatios(t *testing.T) {
	assert.Equal(t, []float64{2, 0.5}, bench.Ratios([]float64{4, 3, 100}, []float64{2, 6}))
	assert.Empty(t, bench.Ratios(nil, []float64{1}))
}
