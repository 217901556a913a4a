// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package backends

import "syscall"

// attributes gives a server its own process group, so that its children can be ended with it. Only Linux can end it when the test
// binary dies without cleaning up.
func attributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// standsStill tells whether SIGSTOP has reached every thread of a process; here that isn't known.
func standsStill(int) bool { return true }
