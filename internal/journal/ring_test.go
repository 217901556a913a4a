// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func appendNumber(j Journal, n uint64, size int) Position {
	rec := make([]byte, size)
	binary.LittleEndian.PutUint64(rec, n)
	return j.Append(rec)
}

func readNumbers(j Journal, after Position) (got []uint64, last Position, dropped uint64) {
	last, dropped = j.Read(after, func(_ Position, rec []byte) { got = append(got, binary.LittleEndian.Uint64(rec)) })
	return got, last, dropped
}

func TestRingKeepsOrderOverSegments(t *testing.T) {
	r := NewRing(64 << 20)
	const n = 2000
	for i := range uint64(n) {
		require.Equal(t, Position(i+1), appendNumber(r, i, 1000))
	}
	got, last, dropped := readNumbers(r, 0)
	require.Len(t, got, n)
	for i, v := range got {
		require.Equal(t, uint64(i), v)
	}
	assert.Equal(t, Position(n), last)
	assert.Zero(t, dropped)

	got, last, _ = readNumbers(r, last)
	assert.Empty(t, got)
	assert.Equal(t, Position(n), last)

	r.Release(n / 2)
	got, _, dropped = readNumbers(r, n/2)
	assert.Len(t, got, n/2)
	assert.Equal(t, uint64(n/2), got[0])
	assert.Zero(t, dropped)
	assert.Less(t, len(r.segments), 6)
}

func TestFullRingDropsTheOldestAndCounts(t *testing.T) {
	r := NewRing(2 * segmentSize)
	const n = 3000
	for i := range uint64(n) {
		appendNumber(r, i, 1000)
	}
	got, last, dropped := readNumbers(r, 0)
	require.NotEmpty(t, got)
	assert.Equal(t, Position(n), last)
	assert.Equal(t, uint64(n), dropped+uint64(len(got)), "what isn't read is counted")
	assert.Equal(t, dropped, got[0], "the oldest were dropped")
	assert.LessOrEqual(t, len(r.segments), 2)
}

func TestRingIsSafeForConcurrentUse(t *testing.T) {
	r := NewRing(64 << 20)
	const writers, each = 8, 2000
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range uint64(each) {
				appendNumber(r, i, 300)
			}
		})
	}
	var count int
	var last Position
	for count < writers*each {
		var got []uint64
		got, last, _ = readNumbers(r, last)
		count += len(got)
		r.Release(last)
	}
	wg.Wait()
	assert.Equal(t, Position(writers*each), last)
}

func BenchmarkRingAppend(b *testing.B) {
	r := NewRing(16 << 20)
	rec := make([]byte, 292)
	b.ReportAllocs()
	for b.Loop() {
		r.Append(rec)
	}
}
