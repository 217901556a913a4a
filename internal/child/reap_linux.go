// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reap takes the end of orphans where they come to this process: as the first one of
// a container, or as a subreaper (prctl(2)). Otherwise they stay zombies until the
// container ends, and each holds a process id. Elsewhere it does nothing. It goes on
// until stop.
//
// A child that somebody here has started is none of them: those of [Run] are known,
// and others are left alone for as long as it takes to wait for them.
func Reap() (stop func()) {
	if !adopts() {
		return func() {}
	}
	var r reaper
	ended, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(ended, syscall.SIGCHLD)
	var running sync.WaitGroup
	running.Go(func() { r.run(ended, done) })
	return sync.OnceFunc(func() {
		signal.Stop(ended)
		close(done)
		running.Wait()
	})
}

// adopts reports whether orphans come to this process.
func adopts() bool {
	var subreaper int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&subreaper)), 0, 0, 0)
	return os.Getpid() == 1 || err == nil && subreaper != 0
}

// patience is the least time for which an orphan is a zombie: who has started a child
// waits for it within that time.
const patience = time.Second

// reaper remembers the zombies that it saw when it looked last.
type reaper struct{ seen map[int]bool }

func (r *reaper) run(ended <-chan os.Signal, done <-chan struct{}) {
	timer := time.NewTimer(0) // Some may be there already.
	defer timer.Stop()
	for {
		select {
		case <-ended:
			timer.Reset(patience)
		case <-timer.C:
			if r.sweep() {
				timer.Reset(patience)
			}
		case <-done:
			return
		}
	}
}

// sweep takes the end of the zombies that were there the last time too. It returns
// true if there are others.
func (r *reaper) sweep() (more bool) {
	own.Lock()
	defer own.Unlock()
	now := make(map[int]bool)
	for _, pid := range zombies() {
		switch {
		case own.pids[pid]:
		case r.seen[pid]:
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		default:
			now[pid] = true
		}
	}
	r.seen = now
	return len(now) > 0
}

// zombies returns the children of this process that have ended.
func zombies() (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	parent := []byte(strconv.Itoa(os.Getpid()))
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // It is gone.
		}
		// proc_pid_stat(5): the name before may hold anything, parentheses too.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 1 && string(fields[0]) == "Z" && bytes.Equal(fields[1], parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}
