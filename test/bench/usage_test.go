// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"os"
	"runtime"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/bench"
)

func TestUsageOf(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	procfs := fstest.MapFS{
		"1/stat":     file("1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 900 900 7 8 20 0 1"),
		"10/stat":    file("10 (nginx: a) b) S 1 10 10 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1"),
		"10/status":  file("Name:\tnginx\nVmHWM:\t    4096 kB\nVmRSS:\t 1 kB\n"),
		"11/stat":    file("11 (worker) S 10 10 10 0 -1 4194560 1 2 3 4 100 20 7 8 20 0 1"),
		"11/status":  file("VmHWM:\t    1024 kB\n"),
		"12/stat":    file("12 (grandchild) S 11 10 10 0 -1 4194560 1 2 3 4 1 0 7 8 20 0 1"),
		"12/status":  file("VmHWM:\t    0 kB\n"),
		"13/stat":    file("13 (another) S 1 10 10 0 -1 4194560 1 2 3 4 5000 5000 7 8 20 0 1"),
		"self/stat":  file("nonsense"),
		"14/stat":    file("14 (short)"),
		"14/status":  file(""),
		"thread/nop": file(""),
	}
	_, err := bench.UsageOf(procfs, 10)
	require.EqualError(t, err, "14/stat: 0 fields behind the name, not 13")

	delete(procfs, "14/stat")
	usage, err := bench.UsageOf(procfs, 10)
	require.NoError(t, err)
	assert.Equal(t, 1320*time.Millisecond, usage.Processor, "11 + 120 + 1 ticks")
	assert.EqualValues(t, 5<<20, usage.PeakRSS)

	_, err = bench.UsageOf(procfs, 99)
	require.ErrorIs(t, err, os.ErrProcessDone)

	procfs["12/status"] = file("Name:\tx\n")
	_, err = bench.UsageOf(procfs, 10)
	assert.EqualError(t, err, "process 12: no VmHWM in its status")
}

func TestUsageOfThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		assert.NoDirExists(t, "/proc/self", "a procfs to read, after all")
		return
	}
	before, err := bench.UsageOf(os.DirFS("/proc"), os.Getpid())
	require.NoError(t, err)
	assert.Positive(t, before.PeakRSS)
	for began := time.Now(); time.Since(began) < 100*time.Millisecond; {
		_ = runtime.NumGoroutine() // work
	}
	after, err := bench.UsageOf(os.DirFS("/proc"), os.Getpid())
	require.NoError(t, err)
	assert.Greater(t, after.Processor, before.Processor)
}
