// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/request"
)

func TestMain(m *testing.M) {
	// Guard runs this binary as it would modtap.
	if len(os.Args) > 1 && os.Args[1] == Command {
		if err := Child(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // with the race detector each child would wait a second at its end
	goleak.VerifyTestMain(m)
}

const queueName = "exporter_elastic__logs"

// fill makes a queue file of requests with two records each, the first dispatched, with its note, and returns its path.
func fill(tb testing.TB, requests, size int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), queueName)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	require.NoError(tb, err)
	state := metadata{read: 11, write: uint64(10 + requests), dispatched: []uint64{10}}
	w := &writer{db: db}
	for i := range requests {
		ld := plog.NewLogs()
		records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		records.AppendEmpty().Body().SetStr(fmt.Sprint("first of ", i))
		records.AppendEmpty().Body().SetStr(strings.Repeat("x", size))
		value, err := request.MarshalLogs(tb.Context(), ld)
		require.NoError(tb, err)
		require.NoError(tb, w.put(strconv.Itoa(10+i), value))
		state.items += 2
		state.bytes += int64(len(value))
	}
	require.NoError(tb, w.put(metadataKey, state.marshal()))
	require.NoError(tb, w.flush())
	require.NoError(tb, db.Close())
	n := note{Queue: state.marshal()}
	require.NoError(tb, os.WriteFile(path+noteSuffix, n.encode(), 0o600))
	return path
}

func guarded(t *testing.T, path string) []Finding {
	t.Helper()
	found, err := Guard(t.Context(), os.Args[0], filepath.Dir(path))
	require.NoError(t, err)
	return found
}

func TestGuard(t *testing.T) {
	change := func(t *testing.T, path string, do func([]byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, do(b), 0o600))
	}
	page := os.Getpagesize()
	noteGone := func(t *testing.T, path string) { require.NoError(t, os.Remove(path+noteSuffix)) }
	for _, tt := range []struct {
		name   string
		do     func(t *testing.T, path string)
		reason string // part of it; "" for a sound file
		want   Salvaged
	}{
		{"sound", func(*testing.T, string) {}, "", Salvaged{}},
		{"empty", func(t *testing.T, path string) { change(t, path, func([]byte) []byte { return nil }) }, "empty", Salvaged{LostRequests: 20, LostItems: 40}},
		{"empty without a note", func(t *testing.T, path string) {
			noteGone(t, path)
			change(t, path, func([]byte) []byte { return nil })
		}, "empty", Salvaged{Unknown: true}},
		{"invalid metas", func(t *testing.T, path string) {
			change(t, path, func(b []byte) []byte { clear(b[:2*page]); return b })
		}, "invalid", Salvaged{Requests: 20, Items: 40}},
		{"invalid metas without a note", func(t *testing.T, path string) {
			noteGone(t, path)
			change(t, path, func(b []byte) []byte { clear(b[:2*page]); return b })
		}, "invalid", Salvaged{Requests: 20, Items: 40}},
		{"one value altered", func(t *testing.T, path string) {
			change(t, path, func(b []byte) []byte {
				// The length in front of the text becomes one that its record hasn't.
				return bytes.ReplaceAll(b, []byte("\x0afirst of 7"), []byte("\xfffirst of 7"))
			})
		}, "request 17", Salvaged{Requests: 19, Items: 38, LostRequests: 1, LostItems: 2}},
		{"a directory", func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		}, "not a file", Salvaged{LostRequests: 20, LostItems: 40}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := fill(t, 20, 3000)
			tt.do(t, path)
			found := guarded(t, path)
			if tt.reason == "" {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Contains(t, found[0].Reason, tt.reason)
			assert.Equal(t, tt.want, found[0].Salvaged, found[0].String())
			_, err := os.Lstat(found[0].Aside)
			require.NoError(t, err)
			assert.Empty(t, guarded(t, path), "the fresh file is sound")
			if tt.want.Requests > 0 {
				db, err := bbolt.Open(path, 0o600, nil)
				require.NoError(t, err)
				defer db.Close()
				require.NoError(t, db.View(func(tx *bbolt.Tx) error {
					state, err := parseMetadata(tx.Bucket([]byte(bucketName)).Get([]byte(metadataKey)))
					require.NoError(t, err)
					assert.Equal(t, tt.want.Requests, state.requests())
					assert.Equal(t, int64(tt.want.Items), state.items)
					return nil
				}))
			}
		})
	}
}

// TestGuardOnAnOpenFile: whoever has it open keeps it, under another name.
func TestGuardOnAnOpenFile(t *testing.T) {
	path := fill(t, 3, 10)
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	defer db.Close()
	found := guarded(t, path)
	require.Len(t, found, 1)
	assert.Equal(t, "locked by another process", found[0].Reason)
	assert.Equal(t, Salvaged{Requests: 3, Items: 6}, found[0].Salvaged)
}

// TestGuardGoesOn: an earlier guard was killed at each step of a replacement.
func TestGuardGoesOn(t *testing.T) {
	path := fill(t, 3, 10)
	require.NoError(t, os.WriteFile(path+salvageSuffix, []byte("half"), 0o600))
	assert.Empty(t, guarded(t, path))
	assert.NoFileExists(t, path+salvageSuffix)
	require.NoError(t, os.Rename(path, path+salvageSuffix))
	assert.Empty(t, guarded(t, path))
	assert.FileExists(t, path)
}

func TestGuardKeepsFewBrokenFiles(t *testing.T) {
	path := fill(t, 3, 10)
	for range 4 {
		require.NoError(t, os.WriteFile(path, []byte("broken"), 0o600))
		require.Len(t, guarded(t, path), 1)
		time.Sleep(2 * time.Millisecond)
	}
	aside, err := filepath.Glob(path + brokenInfix + "*Z")
	require.NoError(t, err)
	assert.Len(t, aside, keepBroken)
	found, err := Guard(t.Context(), os.Args[0], filepath.Join(t.TempDir(), "none"))
	require.NoError(t, err)
	assert.Empty(t, found)
}

func TestNote(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	var n note
	assert.Zero(t, n.age(begin))
	for i := range 1000 {
		n.put(uint64(i), begin.Add(time.Duration(i)*time.Second/2))
	}
	now := begin.Add(500 * time.Second)
	assert.LessOrEqual(t, len(n.Marks), maxMarks)
	assert.Equal(t, 500*time.Second, n.age(now), "exact for the oldest")
	for oldest := range 1000 {
		n.sent(uint64(oldest), true)
		truth := now.Sub(begin.Add(time.Duration(oldest) * time.Second / 2))
		assert.LessOrEqual(t, n.age(now), truth+time.Second, oldest)
		assert.GreaterOrEqual(t, n.age(now), truth-60*time.Second, oldest)
	}
	read, ok := decodeNote(append(n.encode(), "rest of a longer one"...))
	require.True(t, ok)
	assert.Equal(t, n, *read)
	n.sent(0, false)
	assert.Zero(t, n.age(now))
}

func FuzzNote(f *testing.F) {
	n := note{Queue: []byte("q"), Marks: []mark{{1, 2}}}
	f.Add(n.encode())
	f.Fuzz(func(_ *testing.T, b []byte) { decodeNote(b) })
}

func FuzzMetadata(f *testing.F) {
	state := metadata{items: 1, bytes: 2, read: 3, write: 5, dispatched: []uint64{1, 2}}
	f.Add(state.marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		state, err := parseMetadata(b)
		if err != nil {
			return
		}
		again, err := parseMetadata(state.marshal())
		require.NoError(t, err)
		assert.Equal(t, state, again)
	})
}

// FuzzSalvage overwrites a queue file anywhere: it is read to its end, nothing is told twice, and nothing is made up.
func FuzzSalvage(f *testing.F) {
	path := fill(f, 20, 300)
	sound, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(uint32(0), []byte{0}, uint32(len(sound)))
	f.Add(uint32(16), make([]byte, 8192), uint32(len(sound)))
	f.Add(uint32(4096*3+8), []byte{2, 0, 255, 255, 255, 255, 255, 255}, uint32(20000))
	f.Fuzz(func(t *testing.T, at uint32, by []byte, size uint32) {
		b := bytes.Clone(sound)[:min(int(size), len(sound))]
		if int(at) < len(b) {
			copy(b[at:], by)
		}
		im, metas := newImage(bytes.NewReader(b), int64(len(b)))
		found := im.search(metas)
		assert.LessOrEqual(t, len(found.places), 20+1+len(b)/elementSize)
	})
}

// BenchmarkCheck is what a start waits for: the child process included.
func BenchmarkCheck(b *testing.B) {
	for _, tt := range []struct{ requests, size int }{{1, 1}, {100, 100 << 10}, {2000, 512 << 10}, {100_000, 10 << 10}} {
		path := fill(b, tt.requests, tt.size)
		info, err := os.Stat(path)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("%d requests, %d MB", tt.requests, info.Size()>>20), func(b *testing.B) {
			for b.Loop() {
				found, err := Guard(b.Context(), os.Args[0], filepath.Dir(path))
				require.NoError(b, err)
				require.Empty(b, found)
			}
		})
		require.NoError(b, os.Remove(path))
	}
}
