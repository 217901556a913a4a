// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhoHeedsRoomLosesNothing appends many times what the journal holds, in records of
// any length, as long as there is room, and releases some of it where there is none.
func TestWhoHeedsRoomLosesNothing(t *testing.T) {
	for _, maxSize := range []int64{0, 1 << 20, 4 << 20} {
		both(t, maxSize, func(t *testing.T, j Journal) {
			r := rand.New(rand.NewPCG(uint64(maxSize), 1))
			limit := j.Status().MaxSize
			require.Equal(t, limit/2, j.Status().Room)
			var n, read uint64
			var released Position
			var behind []Position // of what isn't released
			for total := int64(0); total < 6*limit; {
				if size := 8 + r.IntN(10_000); j.Status().Room >= int64(recordSize(size)) {
					behind = append(behind, appendNumber(j, n, size))
					total += int64(size)
					n++
					continue
				}
				_, lost := j.Read(released, func(_ Position, rec []byte) {
					read = max(read, binary.LittleEndian.Uint64(rec)+1)
				})
				require.Zero(t, lost)
				require.Equal(t, n, read)
				some := 1 + r.IntN(len(behind))
				released = behind[some-1]
				behind = behind[some:]
				j.Release(released)
			}
			assert.Greater(t, n, uint64(100))
		})
	}
}

// TestRoomCountsWhatIsNotReleased, to the byte, wherever a segment ends.
func TestRoomCountsWhatIsNotReleased(t *testing.T) {
	both(t, 8<<20, func(t *testing.T, j Journal) {
		for range 3000 {
			appendNumber(j, 1, 1000)
		}
		at := appendNumber(j, 2, 1000)
		assert.LessOrEqual(t, j.Status().Room, int64(4<<20-3001*1008))
		j.Release(at)
		assert.Equal(t, int64(4<<20), j.Status().Room)
		appendNumber(j, 3, 1000)
		assert.Equal(t, int64(4<<20-1008), j.Status().Room)
	})
}
