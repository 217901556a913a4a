// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"encoding/binary"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		appendUntilKilled(os.Getenv(childDir))
	}
	goleak.VerifyTestMain(m)
}

// both runs a test for each implementation.
func both(t *testing.T, maxSize int64, test func(t *testing.T, j Journal)) {
	t.Run("ring", func(t *testing.T) { test(t, NewRing(maxSize)) })
	t.Run("mapped", func(t *testing.T) { test(t, openTest(t, t.TempDir(), maxSize)) })
}

// openTest opens a journal that is closed at the end of the test.
func openTest(t testing.TB, dir string, maxSize int64) *Mapped {
	m, err := open(dir, maxSize, 50*time.Millisecond, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m
}

func appendNumber(j Journal, n uint64, size int) Position {
	rec := make([]byte, size)
	binary.LittleEndian.PutUint64(rec, n)
	return j.Append(rec)
}

// readNumbers reads once; each record's position must lie behind the one before.
func readNumbers(t *testing.T, j Journal, after Position) (got []uint64, last Position, lost Loss) {
	prev := after
	var damaged uint64
	last, lost = j.Read(after, func(p Position, rec []byte) {
		if rec == nil {
			require.GreaterOrEqual(t, p, prev)
			damaged++
			return
		}
		require.Greater(t, p, prev)
		prev = p
		got = append(got, binary.LittleEndian.Uint64(rec))
	})
	require.Equal(t, prev, last)
	require.LessOrEqual(t, damaged, lost.Damaged)
	return got, last, lost
}

func numbers(from, to uint64) []uint64 {
	all := make([]uint64, 0, to-from)
	for ; from < to; from++ {
		all = append(all, from)
	}
	return all
}

func TestRecordsComeBackInOrder(t *testing.T) {
	both(t, 64<<20, func(t *testing.T, j Journal) {
		var positions []Position
		for i := range uint64(40_000) { // more than one segment of 8 MiB
			positions = append(positions, appendNumber(j, i, 300+int(i%50)))
		}
		got, last, lost := readNumbers(t, j, 0)
		require.Equal(t, numbers(0, 40_000), got)
		assert.Equal(t, positions[len(positions)-1], last)
		assert.Zero(t, lost)

		got, again, lost := readNumbers(t, j, last)
		assert.Empty(t, got)
		assert.Equal(t, last, again)
		assert.Zero(t, lost)

		got, _, lost = readNumbers(t, j, positions[29_999])
		assert.Equal(t, numbers(30_000, 40_000), got)
		assert.Zero(t, lost)
	})
}

func TestRecordsOfEachLength(t *testing.T) {
	both(t, 8<<20, func(t *testing.T, j Journal) {
		sizes := []int{0, 1, 7, 8, 9, 300, 4095, 4096, 65_535, MaxRecord}
		for i, n := range sizes {
			j.Append(bytes.Repeat([]byte{byte(i)}, n))
		}
		j.Append(make([]byte, MaxRecord+1))
		var i int
		_, lost := j.Read(0, func(_ Position, rec []byte) {
			require.Equal(t, bytes.Repeat([]byte{byte(i)}, sizes[i]), append([]byte{}, rec...))
			i++
		})
		assert.Equal(t, len(sizes), i)
		assert.Equal(t, Loss{Damaged: 1}, lost, "the record that is too long")
	})
}

func TestReleasedRecordsTakeNoSpace(t *testing.T) {
	both(t, 4<<20, func(t *testing.T, j Journal) {
		var at Position
		for i := range uint64(30_000) {
			p := appendNumber(j, i, 1000)
			if i%100 == 99 {
				got, last, lost := readNumbers(t, j, at)
				require.Len(t, got, 100)
				require.Zero(t, lost)
				require.Equal(t, p, last)
				at = last
				j.Release(at)
			}
		}
		assert.Less(t, j.Status().Size, int64(1<<20))
		assert.Equal(t, int64(4<<20), j.Status().MaxSize)
	})
}

func TestFullJournalDropsTheOldestAndCounts(t *testing.T) {
	for name, readFirst := range map[string]uint64{"unread": 0, "partly read": 500} {
		t.Run(name, func(t *testing.T) {
			both(t, 1<<20, func(t *testing.T, j Journal) {
				for i := range readFirst {
					appendNumber(j, i, 1000)
				}
				got, at, lost := readNumbers(t, j, 0)
				require.Len(t, got, int(readFirst))
				require.Zero(t, lost)
				const n = 5000
				for i := readFirst; i < n; i++ {
					appendNumber(j, i, 1000)
				}
				settle(t, j)
				got, _, lost = readNumbers(t, j, at)
				require.NotEmpty(t, got)
				assert.Zero(t, lost.Damaged)
				assert.NotZero(t, lost.Full)
				assert.Equal(t, n-readFirst, lost.Full+uint64(len(got)), "what isn't read is counted")
				assert.Equal(t, readFirst+lost.Full, got[0], "the oldest were dropped")
				assert.Equal(t, uint64(n-1), got[len(got)-1])
				assert.LessOrEqual(t, j.Status().Size, int64(1<<20))
			})
		})
	}
}

// settle waits until what happens in the background is done.
func settle(t testing.TB, j Journal) {
	m, ok := j.(*Mapped)
	if !ok {
		return
	}
	require.Eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.spare != nil && len(m.dead) == 0
	}, time.Minute, time.Millisecond)
}

func TestWritersAndReaderAtOnce(t *testing.T) {
	both(t, 256<<20, func(t *testing.T, j Journal) {
		const writers, each = 8, 20_000
		var wg sync.WaitGroup
		for w := range uint64(writers) {
			wg.Go(func() {
				var before Position
				for i := range uint64(each) {
					p := appendNumber(j, w<<32|i, 100+int(i%300))
					assert.Greater(t, p, before)
					before = p
				}
			})
		}
		next := make([]uint64, writers)
		var count int
		var at Position
		deadline := time.Now().Add(time.Minute)
		for count < writers*each && time.Now().Before(deadline) {
			var got []uint64
			var lost Loss
			got, at, lost = readNumbers(t, j, at)
			require.Zero(t, lost)
			for _, n := range got {
				require.Equal(t, next[n>>32], n&(1<<32-1), "in each writer's order")
				next[n>>32]++
			}
			count += len(got)
			j.Release(at)
		}
		wg.Wait()
		assert.Equal(t, writers*each, count)
	})
}

func TestSlowReaderOfAFullJournalMissesExactlyWhatIsCounted(t *testing.T) {
	both(t, 1<<20, func(t *testing.T, j Journal) {
		const writers, each = 4, 10_000
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for i := range uint64(each) {
					appendNumber(j, i, 500)
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		var at Position
		var total, full uint64
		read := func() {
			var got []uint64
			var lost Loss
			got, at, lost = readNumbers(t, j, at)
			require.Zero(t, lost.Damaged)
			total += uint64(len(got))
			full += lost.Full
		}
		for running := true; running; read() {
			select {
			case <-done:
				running = false
			case <-time.After(30 * time.Millisecond):
			}
		}
		settle(t, j)
		read()
		assert.Equal(t, uint64(writers*each), total+full)
		assert.NotZero(t, full)
	})
}

// reserved takes the place of a record and writes it when told.
func reserved(t *testing.T, j Journal, n uint64) (write func()) {
	var c *chain
	switch j := j.(type) {
	case *Ring:
		c = &j.chain
	case *Mapped:
		c = &j.chain
	}
	s := c.tail.Load()
	rec := binary.LittleEndian.AppendUint64(nil, n)
	off, ok := s.reserve(recordSize(len(rec)))
	require.True(t, ok)
	return func() {
		require.NoError(t, s.tryPut(off, rec))
		s.unpin()
	}
}

func TestReaderWaitsForARecordThatIsBeingWritten(t *testing.T) {
	both(t, 4<<20, func(t *testing.T, j Journal) {
		appendNumber(j, 0, 100)
		write := reserved(t, j, 1)
		appendNumber(j, 2, 100)
		got, at, lost := readNumbers(t, j, 0)
		assert.Equal(t, []uint64{0}, got)
		assert.Zero(t, lost)
		write()
		got, _, lost = readNumbers(t, j, at)
		assert.Equal(t, []uint64{1, 2}, got)
		assert.Zero(t, lost)
	})
}

func TestSegmentOfASlowWriterIsNeitherEvictedNorReleased(t *testing.T) {
	both(t, 1<<20, func(t *testing.T, j Journal) {
		write := reserved(t, j, 0)
		var last Position
		for i := range uint64(5000) {
			last = appendNumber(j, 1+i, 1000)
		}
		settle(t, j)
		j.Release(last)
		write()
		got, _, lost := readNumbers(t, j, 0)
		require.NotEmpty(t, got)
		assert.Zero(t, got[0])
		assert.Zero(t, lost.Damaged)
	})
}

func TestSegmentThatIsBeingReadIsNotEvicted(t *testing.T) {
	both(t, 1<<20, func(t *testing.T, j Journal) {
		for i := range uint64(100) {
			appendNumber(j, i, 1000)
		}
		var got []uint64
		take := func(_ Position, rec []byte) {
			n := binary.LittleEndian.Uint64(rec)
			if n == 0 {
				for i := range uint64(5000) {
					appendNumber(j, 100+i, 1000)
				}
			}
			got = append(got, n)
		}
		last, lost := j.Read(0, take)
		assert.Less(t, len(got), 5000, "a reader returns though writers go on")
		assert.Eventually(t, func() bool { // what was forced out is counted a moment later
			var more Loss
			last, more = j.Read(last, take)
			lost.add(more)
			return lost.Full+uint64(len(got)) >= 5100
		}, time.Minute, 10*time.Millisecond)
		require.Greater(t, len(got), 100)
		assert.Equal(t, numbers(0, 100), got[:100])
		assert.Equal(t, uint64(5099), got[len(got)-1])
		assert.Equal(t, uint64(5100), lost.Full+uint64(len(got)))
		assert.Zero(t, lost.Damaged)
	})
}
