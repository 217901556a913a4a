// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goauth

import (
	"bytes"
	"os"
	"strconv"
)

// parent returns what tells a process from every other, on any machine and in
// any container: boot, PID namespace, host, id and start time. Where a sandbox
// hides them, see remembered.
func parent(pid int) string {
	start := startTime(pid)
	if start == "" {
		return remembered(pid)
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	namespace, _ := os.Readlink("/proc/self/ns/pid")
	host, _ := os.Hostname()
	return string(boot) + namespace + "\n" + host + "\n" + strconv.Itoa(pid) + "\n" + start
}

// startTime returns the 22nd field of /proc/PID/stat, in clock ticks since boot
// (proc_pid_stat(5)); empty: it can't be read. The second field, the name, may
// hold blanks and brackets.
func startTime(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return ""
	}
	return string(fields[19])
}
