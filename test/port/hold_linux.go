// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package port

import (
	"context"
	"os"
	"syscall"
)

// hold binds a port without listening there. Linux lets a second socket bind it by its number when both have
// SO_REUSEADDR, as servers have (net.Listen, the JVM, nginx), and lets that one listen; but it never chooses a port that
// is bound, neither for a listener on port 0 nor for a connection (net/ipv4/inet_connection_sock.c, inet_hashtables.c).
func hold(context.Context) (port int, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, os.NewSyscallError("socket", err)
	}
	release = func() { _ = syscall.Close(fd) } // nothing was written
	defer func() {
		if err != nil {
			release()
		}
	}()
	// Binding to port 0 with SO_REUSEADDR could choose one that another test holds under ip_autobind_reuse.
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, nil, os.NewSyscallError("bind", err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, nil, os.NewSyscallError("setsockopt", err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, nil, os.NewSyscallError("getsockname", err)
	}
	return at.(*syscall.SockaddrInet4).Port, release, nil
}
