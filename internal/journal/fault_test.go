// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package journal

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
)

// openPatient opens a journal that makes no attempt to go back to disk within
// the test.
func openPatient(t *testing.T, dir string, maxSize int64) *Mapped {
	m, err := open(dir, maxSize, time.Hour, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	settle(t, m)
	return m
}

// onDisk waits until the journal writes to disk without a fault.
func onDisk(t *testing.T, m *Mapped) {
	require.Eventually(t, func() bool {
		s := m.Status()
		return s.Fault == nil && !s.InMemory
	}, time.Minute, time.Millisecond)
	settle(t, m)
}

func cutTail(t *testing.T, m *Mapped, size int64) {
	require.NoError(t, os.Truncate(m.tail.Load().file.path, size))
}

func TestFileCutUnderneathIsSurvivedInMemory(t *testing.T) {
	m := openPatient(t, t.TempDir(), 64<<20)
	for i := range uint64(100) {
		appendNumber(m, i, 1000)
	}
	got, at, _ := readNumbers(t, m, 0)
	require.Len(t, got, 100)
	for i := range uint64(100) {
		appendNumber(m, 100+i, 1000)
	}
	cutTail(t, m, int64(150*1008)&^4095)

	for i := range uint64(20_000) { // 20 MB go to memory
		appendNumber(m, 200+i, 1000)
	}
	status := m.Status()
	require.ErrorContains(t, status.Fault, "fault in the mapping")
	require.True(t, status.InMemory)

	got, at, lost := readNumbers(t, m, at)
	require.Equal(t, append(numbers(100, 146), numbers(200, 20_200)...), got,
		"what is in the pages that are left, and what was appended since")
	assert.Equal(t, Loss{Damaged: 1}, lost)

	got, _, lost = readNumbers(t, m, at)
	assert.Empty(t, got)
	assert.Zero(t, lost, "counted once")
}

func TestARecordThatMovedToMemoryIsNoDamage(t *testing.T) {
	m := openPatient(t, t.TempDir(), 64<<20)
	for i := range uint64(100) {
		appendNumber(m, i, 1000)
	}
	_, at, _ := readNumbers(t, m, 0)
	cutTail(t, m, 0)
	for i := range uint64(100) {
		appendNumber(m, i, 1000)
	}
	got, _, lost := readNumbers(t, m, at)
	assert.Equal(t, numbers(0, 100), got)
	assert.Zero(t, lost)
}

func TestJournalGoesBackToDisk(t *testing.T) {
	dir := t.TempDir()
	m, err := open(dir, 64<<20, 500*time.Millisecond, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	settle(t, m)
	appendNumber(m, 0, 1000)
	got, at, _ := readNumbers(t, m, 0)
	require.Equal(t, []uint64{0}, got)
	cutTail(t, m, 0)
	appendNumber(m, 1, 1000)
	require.Error(t, m.Status().Fault)
	onDisk(t, m)
	appendNumber(m, 2, 1000)
	got, at, lost := readNumbers(t, m, at)
	assert.Equal(t, []uint64{1, 2}, got)
	assert.Zero(t, lost)

	appendNumber(m, 3, 1000)
	next := openTest(t, dir, 64<<20) // as after a kill
	got, last, lost := readNumbers(t, next, at)
	assert.Equal(t, []uint64{3}, got)
	assert.Zero(t, lost)
	assert.Greater(t, appendNumber(next, 4, 8), last)
}

func TestReaderGoesOnBehindAnUnreadableSegment(t *testing.T) {
	m := openPatient(t, t.TempDir(), 8<<20) // segments of 1 MiB
	for i := range uint64(3000) {
		appendNumber(m, i, 1000)
	}
	m.mu.Lock()
	second := m.segments[1].file.path
	m.mu.Unlock()
	require.NoError(t, os.Truncate(second, 4096))
	got, _, lost := readNumbers(t, m, 0)
	const each = (1<<20 - headerSize) / 1008
	assert.Equal(t, append(numbers(0, each+4), numbers(2*each, 3000)...), got)
	assert.Equal(t, Loss{Damaged: 1}, lost)
}

func TestDeletedDirectoryIsMadeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	m := openTest(t, dir, 8<<20)
	for i := range uint64(3000) {
		appendNumber(m, i, 1000)
	}
	// It may be making a segment there meanwhile.
	require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, time.Minute, time.Millisecond)
	for i := range uint64(10) {
		appendNumber(m, 3000+i, 1000)
	}
	require.Eventually(t, func() bool { return len(segmentFiles(t, dir)) >= 2 }, time.Minute, time.Millisecond)
	onDisk(t, m)
	for i := range uint64(10) {
		appendNumber(m, 3010+i, 1000)
	}
	got, at, lost := readNumbers(t, m, 0)
	assert.Equal(t, numbers(0, 3020), got)
	assert.Zero(t, lost)

	next := openTest(t, dir, 8<<20) // as after a kill
	got, last, _ := readNumbers(t, next, 0)
	assert.Equal(t, numbers(3010, 3020), got)
	assert.Equal(t, at, last)
}

func TestSpareThatIsCutIsMadeAgain(t *testing.T) {
	m := openTest(t, t.TempDir(), 8<<20) // segments of 1 MiB
	settle(t, m)
	m.mu.Lock()
	spare := m.spare
	m.mu.Unlock()
	require.NoError(t, os.Truncate(spare.file.path, 0))
	require.Eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.spare != nil && m.spare != spare
	}, time.Minute, time.Millisecond)
	assert.Equal(t, Status{MaxSize: 8 << 20, Room: 4 << 20}, m.Status())
	for i := range uint64(3000) {
		appendNumber(m, i, 1000)
	}
	got, _, lost := readNumbers(t, m, 0)
	assert.Equal(t, numbers(0, 3000), got)
	assert.Zero(t, lost)
}

func TestDirectoryThatIsAFileIsAFaultUntilItIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	m := openTest(t, dir, 8<<20)
	appendNumber(m, 0, 1000)
	require.Eventually(t, func() bool { // the journal makes it again meanwhile
		return os.RemoveAll(dir) == nil && os.WriteFile(dir, nil, 0o600) == nil
	}, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool { return m.Status().Fault != nil }, time.Minute, time.Millisecond)
	for i := range uint64(4000) { // past the end of the mapped segment
		appendNumber(m, 1+i, 1000)
	}
	assert.True(t, m.Status().InMemory)
	require.NoError(t, os.Remove(dir))
	onDisk(t, m)
	appendNumber(m, 4001, 1000)
	got, _, lost := readNumbers(t, m, 0)
	assert.Equal(t, numbers(0, 4002), got)
	assert.Zero(t, lost)
}

func TestMemoryIsBounded(t *testing.T) {
	m := openPatient(t, t.TempDir(), 1<<20)
	cutTail(t, m, 0)
	for i := range uint64(5000) {
		appendNumber(m, i, 1000)
	}
	got, _, lost := readNumbers(t, m, 0)
	assert.Zero(t, lost.Damaged)
	assert.Equal(t, uint64(5000), lost.Full+uint64(len(got)))
	assert.Equal(t, uint64(4999), got[len(got)-1])
	assert.LessOrEqual(t, m.memory(), int64(1<<20))
}

func TestOtherPanicsPass(t *testing.T) {
	m := openPatient(t, t.TempDir(), 8<<20)
	s := m.tail.Load()
	assert.PanicsWithValue(t, "other", func() { _ = s.read(func() { panic("other") }) })
	assert.Panics(t, func() {
		_ = s.read(func() {
			var nothing *segment
			nothing.start = 1
		})
	})
	appendNumber(m, 0, 100)
	assert.PanicsWithValue(t, "reader's own", func() {
		m.Read(0, func(Position, []byte) { panic("reader's own") })
	})
}

func TestOpenSaysWhyADirectoryCanNotBeUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := open(path, 8<<20, time.Second, zaptest.NewLogger(t))
	require.ErrorContains(t, err, "journal in "+path)
	_, err = open(filepath.Join(path, "below"), 8<<20, time.Second, zaptest.NewLogger(t))
	require.ErrorContains(t, err, "not a directory")
}
