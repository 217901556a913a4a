// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// attributes gives a server its own process group, so that its children can be ended with it, and a signal that ends it when the test
// binary dies without cleaning up.
func attributes(orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
}

// standsStill tells whether SIGSTOP has reached every thread of a process: it does so one by one, after kill has returned. A process
// that is gone stands still.
func standsStill(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false
	}
	for _, thread := range threads {
		// The state follows the name, which is in parentheses and may hold any.
		stat, err := os.ReadFile(thread)
		state := stat[bytes.LastIndexByte(stat, ')')+1:]
		if err == nil && !bytes.HasPrefix(state, []byte(" T ")) {
			return false
		}
	}
	return true
}
