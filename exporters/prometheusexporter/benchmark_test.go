// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func BenchmarkScrape(b *testing.B) {
	for _, bench := range []struct {
		name string
		add  func(in *input, i int)
	}{
		{"counters", func(in *input, i int) { in.counter("c", int64(i), 1, "module", strconv.Itoa(i)) }},
		{"histograms", func(in *input, i int) {
			in.histogram("h", []uint64{1, 2, 3}, 1, "module", strconv.Itoa(i))
			in.exponential("h", 3, 0, []uint64{1, 2, 3}, 1, "module", strconv.Itoa(i))
		}},
	} {
		in := newInput(proxy)
		for i := range 10_000 {
			bench.add(&in, i)
		}
		e := running(b)
		require.NoError(b, e.consumeMetrics(b.Context(), in.Metrics))
		for name, accept := range map[string]string{"text": text, "openmetrics": openMetrics, "protobuf": protobuf} {
			b.Run(bench.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					b.SetBytes(int64(len(e.scrape(b, accept))))
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/scrape")
			})
		}
	}
}

func BenchmarkConsume(b *testing.B) {
	in := newInput(proxy)
	for i := range 10_000 {
		in.counter("c", int64(i), 1, "module", strconv.Itoa(i))
	}
	s := newStore(time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.update(in.Metrics); err != nil {
			b.Fatal(err)
		}
	}
}
