// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// segments returns the files of the journal. After a fault it is in memory for
// some seconds before it tries the disk again.
func segments(t testing.TB, data string) (found []string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		found, err = filepath.Glob(filepath.Join(data, "goproxy", "journal", "*.segment"))
		return err == nil && len(found) > 0
	}, 2*time.Minute, 100*time.Millisecond, "segments of the journal")
	return found
}

// flip changes n bytes of a file at random places that hold something. A file
// that holds nothing yet is left as it is.
func flip(t testing.TB, path string, n int) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var places []int
	for i, b := range content {
		if b != 0 {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	for range n {
		at := places[rand.IntN(len(places))]
		_, err := f.WriteAt([]byte{^content[at]}, int64(at))
		require.NoError(t, err)
	}
}

// half cuts a file to half its size.
func half(t testing.TB, path string) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, info.Size()/2))
}

// segmentTruncated cuts the journal's segments to nothing while they are mapped.
func segmentTruncated(r *run) {
	for range scale(1, 10) {
		time.Sleep(2 * time.Second)
		told := lines(r.t, r.log).total()
		for _, segment := range segments(r.t, r.modtap.data) {
			require.NoError(r.t, os.Truncate(segment, 0))
		}
		r.behind = r.load.target.begun() - told
	}
	time.Sleep(3 * time.Second)
}

// segmentCorrupted flips bytes in the journal between a kill and the start.
func segmentCorrupted(r *run) {
	for range scale(1, 10) {
		time.Sleep(2 * time.Second)
		at := time.Now()
		r.modtap.kill()
		for _, segment := range segments(r.t, r.modtap.data) {
			flip(r.t, segment, 20)
		}
		r.restart(at)
	}
	time.Sleep(2 * time.Second)
}

// queueDamaged damages the file in which what Elasticsearch should have got
// waits, between a kill and the start.
func queueDamaged(damage func(t testing.TB, path string)) func(*run) {
	return func(r *run) {
		time.Sleep(time.Second)
		// No batch may be in both the queue and Elasticsearch: it would be counted as lost, and is not.
		r.toES.downBetweenBatches()
		r.t.Cleanup(r.toES.up)
		time.Sleep(scale(4*time.Second, time.Minute))
		at := time.Now()
		r.modtap.kill()
		damage(r.t, filepath.Join(r.modtap.data, "queue", "exporter_elastic__logs"))
		r.restart(at)
		r.toES.up()
		time.Sleep(2 * time.Second)
	}
}
