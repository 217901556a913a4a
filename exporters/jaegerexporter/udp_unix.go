// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package jaegerexporter

import (
	"errors"
	"net"
	"syscall"
)

// pendingError is what became of the last packet, as far as the system knows.
func pendingError(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var pending int
	var asking error
	err = raw.Control(func(fd uintptr) {
		pending, asking = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	})
	if err = errors.Join(err, asking); err == nil && pending != 0 {
		err = syscall.Errno(pending)
	}
	return err
}
