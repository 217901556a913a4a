// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package queuefile

import (
	"bytes"
	"io"
	"os"
	"syscall"
)

const (
	maxMemory  = 1 << 30 // bytes; the mapped file isn't counted
	maxSeconds = 20      // of processor time
)

// confine bounds what a damaged file can make this process use. Where the system refuses, the parent's time-out remains.
func confine() {
	_ = syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: maxMemory, Max: maxMemory})
	_ = syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: maxSeconds, Max: maxSeconds})
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}

// mapped returns the file's bytes, which are read often and little at a time. If the file is cut meanwhile, the process ends.
func mapped(file *os.File, size int64) io.ReaderAt {
	b, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return file
	}
	return bytes.NewReader(b)
}
