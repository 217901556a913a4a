// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package child

import (
	"os/exec"
	"syscall"
	"time"
)

// prepare gives the command a session of its own: a group to end, and no terminal
// on which it could ask for a password or whose Ctrl-C would reach it.
func prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return signalGroup(cmd, syscall.SIGTERM) }
}

func signalGroup(cmd *exec.Cmd, s syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, s) }

// endGroup ends what is left of the command's group. The group keeps its number as
// long as one process is in it.
func endGroup(cmd *exec.Cmd) {
	if signalGroup(cmd, syscall.SIGTERM) != nil {
		return // The usual case: nobody is left.
	}
	for end := time.Now().Add(grace); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if signalGroup(cmd, 0) != nil {
			return
		}
	}
	_ = signalGroup(cmd, syscall.SIGKILL) // It is gone, or there is nothing else to do.
}
