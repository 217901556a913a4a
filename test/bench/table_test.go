// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/test/bench"
)

func TestWriteTable(t *testing.T) {
	series := []bench.Series{
		{Proxy: "bare", Processor: []float64{100e-6, 200e-6, 150e-6}, PerSecond: []float64{9000, 8000, 7000}, P50: []float64{3e-3}, P99: []float64{0.0312}},
		{Proxy: "full", Processor: []float64{150e-6, 240e-6, 195e-6}, PerSecond: []float64{6000.4}, P50: []float64{2}, P99: []float64{4}},
		{Proxy: "none"},
	}
	for _, tt := range []struct{ name, base, want string }{
		{"base", "bare", `| proxy | processor time per request | ratio (range) | requests/s | p50 | p99 |
|---|--:|--:|--:|--:|--:|
| bare | 150 us | 1.00 (1.00 to 1.00) | 8000 | 3.00 ms | 31.2 ms |
| full | 195 us | 1.30 (1.20 to 1.50) | 6000 | 2.00 s | 4.00 s |
| none | 0 us | - | 0 | 0 us | 0 us |
`},
		{"no base", "", `| proxy | processor time per request | ratio (range) | requests/s | p50 | p99 |
|---|--:|--:|--:|--:|--:|
| bare | 150 us | - | 8000 | 3.00 ms | 31.2 ms |
| full | 195 us | - | 6000 | 2.00 s | 4.00 s |
| none | 0 us | - | 0 | 0 us | 0 us |
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			bench.WriteTable(&b, tt.base, series)
			assert.Equal(t, tt.want, b.String())
		})
	}
}
