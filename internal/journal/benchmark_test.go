// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// recordSizeSeen is what a begin and an end record take on average, in bytes.
const recordSizeSeen = 292

func openBenchmark(b *testing.B) *Mapped {
	m, err := Open(b.TempDir(), 256<<20, zap.NewNop())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, m.Close()) })
	return m
}

func BenchmarkAppend(b *testing.B) {
	for name, open := range map[string]func(*testing.B) Journal{
		"ring":   func(*testing.B) Journal { return NewRing(256 << 20) },
		"mapped": func(b *testing.B) Journal { return openBenchmark(b) },
	} {
		b.Run(name, func(b *testing.B) {
			j := open(b)
			rec := make([]byte, recordSizeSeen)
			b.ReportAllocs()
			for b.Loop() {
				j.Append(rec)
			}
		})
		b.Run(name+"/8 goroutines", func(b *testing.B) {
			j := open(b)
			b.ReportAllocs()
			var wg sync.WaitGroup
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			for range 8 {
				wg.Go(func() {
					rec := make([]byte, recordSizeSeen)
					for left.Add(-1) >= 0 {
						j.Append(rec)
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkAppendDuringWriteback appends at the rate of a busy proxy while the
// disk is kept busy, and reports how long the slow ones took.
func BenchmarkAppendDuringWriteback(b *testing.B) {
	for name, busy := range map[string]bool{"idle disk": false, "busy disk": true} {
		b.Run(name, func(b *testing.B) {
			m := openBenchmark(b)
			quit := make(chan struct{})
			var wg sync.WaitGroup
			if busy {
				wg.Go(func() { writeBack(b, quit) })
			}
			rec := make([]byte, recordSizeSeen)
			took := make([]time.Duration, 0, 1<<20)
			end := time.Now().Add(4 * time.Second)
			for time.Now().Before(end) {
				for range 50 {
					start := time.Now()
					m.Append(rec)
					took = append(took, time.Since(start))
				}
				time.Sleep(time.Millisecond)
			}
			close(quit)
			wg.Wait()
			slices.Sort(took)
			at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Nanoseconds()) }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(len(took)), "appends")
			b.ReportMetric(at(0.5), "p50-ns")
			b.ReportMetric(at(0.99), "p99-ns")
			b.ReportMetric(at(0.999), "p99.9-ns")
			b.ReportMetric(at(1), "max-ns")
		})
	}
}

// writeBack writes and syncs a file of 200 MB again and again.
func writeBack(b *testing.B, quit chan struct{}) {
	f, err := os.Create(filepath.Join(b.TempDir(), "big"))
	if err != nil {
		b.Error(err)
		return
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := int64(0); ; i = (i + 1) % 200 {
		select {
		case <-quit:
			return
		default:
		}
		if _, err := f.WriteAt(block, i<<20); err != nil {
			b.Error(err)
			return
		}
		if i%20 == 19 {
			if err := f.Sync(); err != nil {
				b.Error(err)
				return
			}
		}
	}
}
