// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process and its descendants have taken since they began.
type Usage struct {
	// Processor is the time in user and kernel mode. Linux tells it in steps of 10 ms.
	Processor time.Duration
	// PeakRSS is the sum of the largest resident sizes, in bytes. Pages that processes share count for each of them.
	PeakRSS int64
}

// UsageOf reads the usage of a process and its descendants from a mounted procfs, such as os.DirFS("/proc").
func UsageOf(procfs fs.FS, pid int) (Usage, error) {
	stats, err := readStats(procfs)
	if err != nil {
		return Usage{}, err
	}
	if _, alive := stats[pid]; !alive {
		return Usage{}, fmt.Errorf("process %d: %w", pid, os.ErrProcessDone)
	}
	var u Usage
	for id, s := range stats {
		if !s.descends(stats, id, pid) {
			continue
		}
		u.Processor += s.processor
		peak, err := peakRSS(procfs, id)
		if err != nil {
			return Usage{}, fmt.Errorf("process %d: %w", id, err)
		}
		u.PeakRSS += peak
	}
	return u, nil
}

// stat is what matters of /proc/PID/stat (proc_pid_stat(5)).
type stat struct {
	parent    int
	processor time.Duration
}

// descends reports whether the process id is ancestor or comes from it.
func (s stat) descends(all map[int]stat, id, ancestor int) bool {
	for range all { // no longer than any line of parents
		if id == ancestor {
			return true
		}
		id = s.parent
		s = all[id]
	}
	return false
}

// readStats reads the stat of all processes; those that end meanwhile are left out.
func readStats(procfs fs.FS) (map[int]stat, error) {
	files, err := fs.Glob(procfs, "[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	stats := make(map[int]stat, len(files))
	for _, file := range files {
		line, err := fs.ReadFile(procfs, file)
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(filepath.Dir(file))
		if err != nil {
			continue
		}
		if stats[pid], err = parseStat(string(line)); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return stats, nil
}

// clockTick is USER_HZ, which is 100 on every architecture that Go runs Linux on.
const clockTick = 10 * time.Millisecond

func parseStat(line string) (stat, error) {
	// The name, in parentheses, may hold anything, parentheses too.
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(fields) < 13 {
		return stat{}, fmt.Errorf("%d fields behind the name, not 13", len(fields))
	}
	parent, err := strconv.Atoi(fields[1])
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return stat{parent: parent, processor: time.Duration(user+system) * clockTick}, errors.Join(err, err1, err2)
}

func peakRSS(procfs fs.FS, pid int) (int64, error) {
	status, err := fs.ReadFile(procfs, fmt.Sprintf("%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("no VmHWM in its status")
}
