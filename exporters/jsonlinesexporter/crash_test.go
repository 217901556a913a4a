// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package jsonlinesexporter

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
)

const (
	writerPath = "MODTAP_TEST_WRITER_PATH"
	writerFrom = "MODTAP_TEST_WRITER_FROM"

	crashBatch = 64
)

var crashRotation = RotationConfig{MaxMegabytes: 1}

// TestWriter isn't a test but the process that is killed: it tells two instances'
// documents, from a given one on, until its end, and says how far it came.
func TestWriter(t *testing.T) {
	path := os.Getenv(writerPath)
	if path == "" {
		t.Skip("started by TestKilledAtAnyInstant")
	}
	from, err := strconv.Atoi(os.Getenv(writerFrom))
	require.NoError(t, err)
	logs := newLogs(t, &Config{Path: path, Rotation: crashRotation})
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	for first := from; ; first += crashBatch {
		consume(t, logs, told("a", firstRun, first, first+crashBatch-1), told("b", secondRun, first, first+crashBatch-1))
		fmt.Printf("written %d\n", first+crashBatch-1)
	}
}

// A process that writes is killed at random instants. Each successor is told
// everything again, from the first document on, and so is the last one.
func TestKilledAtAnyInstant(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	kills := 12
	if testing.Short() {
		kills = 3
	}
	written, halves := 0, 0
	for i := range kills {
		written = max(written, writeAndBeKilled(t, path))
		if i%2 == 0 {
			cutAnywhere(t, path)
		}
		if content := read(t, path); content != "" && content[len(content)-1] != '\n' {
			halves++
		}
	}
	require.Positive(t, written)

	last := written + 10*crashBatch // The killed one may have written beyond what it could say.
	logs := started(t, &Config{Path: path, Rotation: crashRotation})
	for first := 1; first <= last; first += crashBatch {
		consume(t, logs, told("b", secondRun, first, min(first+crashBatch-1, last)), told("a", firstRun, first, min(first+crashBatch-1, last)))
	}

	times := make(map[string]int)
	for _, name := range append(backups(t, path), path) {
		for _, id := range eventIDs(t, read(t, name)) {
			times[id]++
		}
	}
	for _, run := range []string{firstRun, secondRun} {
		for _, id := range ids(run, 1, last) {
			if times[id] != 1 {
				t.Fatalf("%s is there %d times", id, times[id])
			}
		}
	}
	t.Logf("%d kills, %d files that ended amid a line; %d documents told before the last of them, missing 0, twice 0", kills, halves, 2*written)
}

// cutAnywhere leaves the file as a kill amid a write does, which is rare.
func cutAnywhere(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, info.Size()-rand.Int64N(min(5000, info.Size()+1))))
}

// writeAndBeKilled returns the last number that the process said to be written.
func writeAndBeKilled(t *testing.T, path string) int {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(executable, "-test.run=^TestWriter$")
	command.Env = append(os.Environ(), writerPath+"="+path, writerFrom+"=1")
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())

	lines := bufio.NewScanner(output)
	require.True(t, lines.Scan(), "it writes")
	kill := time.AfterFunc(time.Duration(rand.IntN(150_000))*time.Microsecond, func() {
		assert.NoError(t, command.Process.Kill())
	})
	defer kill.Stop()
	written := 0
	for ok := true; ok; ok = lines.Scan() {
		var number int
		// The last line may be cut short by the kill.
		if n, _ := fmt.Sscanf(lines.Text()+"\n", "written %d\n", &number); n == 1 {
			written = max(written, number)
		}
	}
	require.ErrorContains(t, command.Wait(), "killed")
	return written
}
