// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package journal

import (
	"crypto/rand"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

const (
	corruptSize    = 8 << 20 // eight segments of 1 MiB
	corruptRecord  = 10_000
	corruptRecords = 400
	perSegment     = (1<<20 - headerSize) / (corruptRecord + wordSize)
)

// written leaves a closed journal of four segments and returns its files.
func written(t testing.TB, dir string) []string {
	m, err := Open(dir, corruptSize, zap.NewNop())
	require.NoError(t, err)
	for i := range uint64(corruptRecords) {
		if i%perSegment == 0 { // else a slow disk has the next ones kept in memory
			settle(t, m)
		}
		appendNumber(m, i, corruptRecord)
	}
	require.NoError(t, m.Close())
	return segmentFiles(t, dir)
}

func segmentFiles(t testing.TB, dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	require.NoError(t, err)
	slices.Sort(files)
	return files
}

// edit changes n bytes of a file from off on; a negative off counts from the end.
func edit(t testing.TB, path string, off, n int, change func([]byte)) {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	if off < 0 {
		off += len(b)
	}
	change(b[off : off+n])
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

func flip(b []byte)    { b[0] ^= 0x10 }
func garbage(b []byte) { _, _ = rand.Read(b) }
func rename(t *testing.T, from, to string) {
	require.NoError(t, os.Rename(from, filepath.Join(filepath.Dir(from), to)))
}

// recordAt is where record n of a segment begins.
func recordAt(n int) int { return headerSize + n*(corruptRecord+wordSize) }

func TestDamageIsCountedOnceAndTheRestIsRead(t *testing.T) {
	none := [2]uint64{}
	segment := func(i uint64) [2]uint64 { return [2]uint64{i * perSegment, min((i+1)*perSegment, corruptRecords)} }
	only := func(i uint64) [2]uint64 { return [2]uint64{i, i + 1} }
	tests := map[string]struct {
		harm    func(t *testing.T, files []string)
		missing [2]uint64 // from, up to
		damaged uint64
	}{
		"nothing":        {func(*testing.T, []string) {}, none, 0},
		"flipped byte":   {func(t *testing.T, f []string) { edit(t, f[1], recordAt(5)+500, 1, flip) }, only(perSegment + 5), 1},
		"flipped length": {func(t *testing.T, f []string) { edit(t, f[1], recordAt(5)+5, 1, flip) }, only(perSegment + 5), 1},
		"flipped first":  {func(t *testing.T, f []string) { edit(t, f[0], recordAt(0)+9, 1, flip) }, only(0), 1},
		"flipped last":   {func(t *testing.T, f []string) { edit(t, f[3], recordAt(corruptRecords-3*perSegment-1)+9, 1, flip) }, only(corruptRecords - 1), 1},
		"flipped header": {func(t *testing.T, f []string) { edit(t, f[1], 17, 1, flip) }, none, 1},
		"header of last": {func(t *testing.T, f []string) { edit(t, f[3], 17, 1, flip) }, none, 1},
		"zeroed header":  {func(t *testing.T, f []string) { edit(t, f[1], 0, headerSize, func(b []byte) { clear(b) }) }, none, 1},
		"zeroed range": {func(t *testing.T, f []string) {
			edit(t, f[1], recordAt(5), 3*(corruptRecord+wordSize), func(b []byte) { clear(b) })
		}, [2]uint64{perSegment + 5, perSegment + 8}, 1},
		"zeroed end": {func(t *testing.T, f []string) {
			edit(t, f[1], recordAt(50), 1<<20-recordAt(50), func(b []byte) { clear(b) })
		}, [2]uint64{perSegment + 50, 2 * perSegment}, 1},
		"zeroed segment":   {func(t *testing.T, f []string) { edit(t, f[1], 0, 1<<20, func(b []byte) { clear(b) }) }, segment(1), 1},
		"garbage range":    {func(t *testing.T, f []string) { edit(t, f[1], recordAt(5)+3, 2*(corruptRecord+wordSize)-20, garbage) }, [2]uint64{perSegment + 5, perSegment + 7}, 1},
		"garbage segment":  {func(t *testing.T, f []string) { edit(t, f[1], 0, 1<<20, garbage) }, segment(1), 1},
		"garbage at first": {func(t *testing.T, f []string) { edit(t, f[0], 0, 1<<20, garbage) }, segment(0), 1},
		"garbage at last":  {func(t *testing.T, f []string) { edit(t, f[3], 0, 1<<20, garbage) }, segment(3), 1},
		"longer":           {func(t *testing.T, f []string) { require.NoError(t, os.Truncate(f[1], 2<<20)) }, none, 0},
		"longer, no header": {func(t *testing.T, f []string) {
			edit(t, f[1], 3, 1, flip)
			require.NoError(t, os.Truncate(f[1], 2<<20))
		}, none, 1},
		"cut":          {func(t *testing.T, f []string) { require.NoError(t, os.Truncate(f[1], int64(recordAt(50)+77))) }, [2]uint64{perSegment + 50, 2 * perSegment}, 1},
		"cut to zero":  {func(t *testing.T, f []string) { require.NoError(t, os.Truncate(f[1], 0)) }, segment(1), 1},
		"last cut":     {func(t *testing.T, f []string) { require.NoError(t, os.Truncate(f[3], int64(recordAt(50)+77))) }, [2]uint64{3*perSegment + 50, corruptRecords}, 1},
		"last to zero": {func(t *testing.T, f []string) { require.NoError(t, os.Truncate(f[3], 0)) }, segment(3), 1},
		"missing":      {func(t *testing.T, f []string) { require.NoError(t, os.Remove(f[1])) }, segment(1), 1},
		"two missing": {func(t *testing.T, f []string) {
			require.NoError(t, os.Remove(f[1]))
			require.NoError(t, os.Remove(f[2]))
		}, [2]uint64{perSegment, 3 * perSegment}, 1},
		"renamed":      {func(t *testing.T, f []string) { rename(t, f[1], "old"+suffix) }, none, 1},
		"last renamed": {func(t *testing.T, f []string) { rename(t, f[3], fileName(800)) }, none, 1},
		"no permission": {func(t *testing.T, f []string) {
			require.NoError(t, os.Remove(f[1]))
			require.NoError(t, os.Symlink("/nowhere", f[1]))
		}, segment(1), 1},
		"foreign file": {func(t *testing.T, f []string) { copyFile(t, os.Args[0], filepath.Join(filepath.Dir(f[0]), "x"+suffix)) }, none, 1},
		"far future": {func(t *testing.T, f []string) {
			copyFile(t, os.Args[0], filepath.Join(filepath.Dir(f[0]), fileName(1<<63-8)))
		}, none, 1},
		"copy": {func(t *testing.T, f []string) { copyFile(t, f[1], filepath.Join(filepath.Dir(f[0]), "copy"+suffix)) }, none, 1},
		"moved records": {func(t *testing.T, f []string) {
			edit(t, f[1], recordAt(5), 4*(corruptRecord+wordSize), func(b []byte) { copy(b, slices.Clone(b[corruptRecord+wordSize:])) })
		}, [2]uint64{perSegment + 5, perSegment + 8}, 1},
		"half made file": {func(t *testing.T, f []string) {
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(f[0]), unfinished), nil, 0o600))
		}, none, 0},
		"two places": {func(t *testing.T, f []string) {
			edit(t, f[0], recordAt(50)+9, 1, flip)
			edit(t, f[0], recordAt(51)+9, 1, flip)
			require.NoError(t, os.Remove(f[1]))
		}, [2]uint64{}, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := written(t, dir)
			require.Len(t, files, 4)
			tt.harm(t, files)
			want := slices.DeleteFunc(numbers(0, corruptRecords), func(n uint64) bool {
				if name == "two places" {
					return n == 50 || n == 51 || n >= perSegment && n < 2*perSegment
				}
				return n >= tt.missing[0] && n < tt.missing[1]
			})

			var before Position
			for range 2 { // what isn't released is told again, and is damaged still
				m, err := Open(dir, corruptSize, zap.NewNop())
				require.NoError(t, err)
				got, last, lost := readNumbers(t, m, 0)
				require.Equal(t, want, got)
				require.Equal(t, Loss{Damaged: tt.damaged}, lost)
				require.Greater(t, last, before)
				_, _, lost = readNumbers(t, m, 0)
				require.Zero(t, lost, "counted once")
				require.NoError(t, m.Close())
			}

			m := openTest(t, dir, corruptSize)
			got, last, _ := readNumbers(t, m, 0)
			require.Equal(t, want, got)
			p := appendNumber(m, 0, 100)
			require.Greater(t, p, last)
			got, last, lost := readNumbers(t, m, last)
			assert.Equal(t, []uint64{0}, got)
			assert.Equal(t, p, last)
			assert.Zero(t, lost)
			m.Release(p)
			assert.Eventually(t, func() bool { return len(segmentFiles(t, dir)) <= 2 }, time.Minute, time.Millisecond,
				"nothing but the last and the next segment is left")
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b[:min(len(b), 300_000)], 0o600))
}

func TestReaderGoesOnFromAPositionOfAnEarlierRun(t *testing.T) {
	dir := t.TempDir()
	m, err := Open(dir, corruptSize, zap.NewNop())
	require.NoError(t, err)
	var at []Position
	for i := range uint64(corruptRecords) {
		at = append(at, appendNumber(m, i, corruptRecord))
	}
	require.NoError(t, m.Close())
	require.NoError(t, os.Remove(segmentFiles(t, dir)[0]))

	for name, tt := range map[string]struct {
		after Position
		from  uint64
		lost  Loss
	}{
		"start":               {0, perSegment, Loss{}},
		"in what is gone":     {at[20], perSegment, Loss{Damaged: 1}},
		"end of what is gone": {at[perSegment-1], perSegment, Loss{}},
		"in the middle":       {at[200], 201, Loss{}},
		"end":                 {at[corruptRecords-1], corruptRecords, Loss{}},
	} {
		t.Run(name, func(t *testing.T) {
			m := openTest(t, dir, corruptSize)
			got, _, lost := readNumbers(t, m, tt.after)
			assert.Equal(t, numbers(tt.from, corruptRecords), append([]uint64{}, got...))
			assert.Equal(t, tt.lost, lost)
		})
	}
}

func TestPositionsRiseThoughAllFilesAreGone(t *testing.T) {
	dir := t.TempDir()
	var before Position
	for range 3 {
		m, err := Open(dir, corruptSize, zap.NewNop())
		require.NoError(t, err)
		p := appendNumber(m, 1, 100)
		require.Greater(t, p, before)
		_, _, lost := readNumbers(t, m, before)
		require.Zero(t, lost)
		before = p
		require.NoError(t, m.Close())
		require.NoError(t, os.RemoveAll(dir))
	}
}

func TestHolesThatAKillLeftAreSteppedOver(t *testing.T) {
	dir := t.TempDir()
	m, err := Open(dir, corruptSize, zap.NewNop())
	require.NoError(t, err)
	appendNumber(m, 0, 100)
	reserved(t, m, 1)
	appendNumber(m, 2, 100)
	reserved(t, m, 3)
	reserved(t, m, 4)
	appendNumber(m, 5, 100)
	reserved(t, m, 6) // nothing behind it tells that it was there
	require.NoError(t, m.Close())
	for range 2 {
		m, err := Open(dir, corruptSize, zap.NewNop())
		require.NoError(t, err)
		got, _, lost := readNumbers(t, m, 0)
		assert.Equal(t, []uint64{0, 2, 5}, got)
		assert.Equal(t, Loss{Damaged: 2}, lost)
		require.NoError(t, m.Close())
	}
}

// TestARecordThatItsWriterDiedOverWasNeverThere: what it had copied of it, without the
// word that is written last, is no damage, in whichever run it is read.
func TestARecordThatItsWriterDiedOverWasNeverThere(t *testing.T) {
	dir := t.TempDir()
	m, err := Open(dir, corruptSize, zap.NewNop())
	require.NoError(t, err)
	appendNumber(m, 0, 100)
	appendNumber(m, 1, 100)
	require.NoError(t, m.Close())
	edit(t, segmentFiles(t, dir)[0], headerSize+2*recordSize(100)+wordSize, 60, garbage)
	want := []uint64{0, 1}
	for n := range uint64(3) {
		m, err := Open(dir, corruptSize, zap.NewNop())
		require.NoError(t, err)
		got, _, lost := readNumbers(t, m, 0)
		assert.Equal(t, want, got)
		assert.Zero(t, lost)
		appendNumber(m, 2+n, 100)
		want = append(want, 2+n)
		require.NoError(t, m.Close())
	}
}

func TestRunsThatEndSoonTakeLittleSpace(t *testing.T) {
	dir := t.TempDir()
	for i := range uint64(100) {
		m, err := Open(dir, 16<<20, zap.NewNop())
		require.NoError(t, err)
		if i%10 != 0 { // some have no record at all
			appendNumber(m, i, 100)
		}
		require.NoError(t, m.Close())
	}
	m := openTest(t, dir, 16<<20)
	got, _, lost := readNumbers(t, m, 0)
	assert.Len(t, got, 90)
	assert.Zero(t, lost)
}

func FuzzTakeOver(f *testing.F) {
	dir := f.TempDir()
	m, err := Open(dir, 0, zap.NewNop())
	require.NoError(f, err)
	base := m.tail.Load().base
	for i := range uint64(5) {
		appendNumber(m, i, 50)
	}
	require.NoError(f, m.Close())
	valid, err := os.ReadFile(segmentFiles(f, dir)[0])
	require.NoError(f, err)
	f.Add(valid[:512], uint64(base))
	f.Add(valid[:200], uint64(base))
	f.Add(valid[64:512], uint64(base))
	f.Add([]byte{}, uint64(8))
	f.Add(binary.NativeEndian.AppendUint64(nil, mark<<markShift|lengthMask<<lengthShift), uint64(0))
	f.Fuzz(func(t *testing.T, content []byte, base uint64) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, fileName(Position(base))), content, 0o600))
		m := newMapped(dir, 0, time.Second, zap.NewNop())
		require.NoError(t, m.begin())
		defer func(start time.Time) { require.Less(t, time.Since(start), 10*time.Second) }(time.Now())
		var prev Position
		last, _ := m.Read(0, func(p Position, rec []byte) {
			if rec == nil {
				return // damage
			}
			require.Greater(t, p, prev)
			require.LessOrEqual(t, len(rec), MaxRecord)
			prev = p
		})
		p := m.Append([]byte("next"))
		require.Greater(t, p, last)
		var got []string
		_, lost := m.Read(last, func(_ Position, rec []byte) {
			if rec != nil {
				got = append(got, string(rec))
			}
		})
		require.Equal(t, []string{"next"}, got)
		require.Zero(t, lost)
		require.NoError(t, m.Close())
	})
}
