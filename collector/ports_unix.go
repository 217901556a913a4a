// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// canBind returns the error with which listening at address would fail. It binds a
// socket and lets go of it, so that nobody can connect meanwhile.
func canBind(address string) error {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	one := at.IP != nil && !at.IP.IsUnspecified()
	family, where := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: at.Port}) // Of all addresses both families, as package net does.
	if four := at.IP.To4(); one && four != nil {
		family, where = unix.AF_INET, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(four)}
	} else if one {
		where = &unix.SockaddrInet6{Port: at.Port, Addr: [16]byte(at.IP.To16()), ZoneId: zone(at.Zone)}
	}
	socket, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil //nolint:nilerr // Without that family package net takes the other.
	}
	defer unix.Close(socket)
	unix.CloseOnExec(socket)
	_ = unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // As package net does: addresses of ended connections are free.
	if one && family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(socket, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err := unix.Bind(socket, where); err != nil && !errors.Is(err, syscall.EAFNOSUPPORT) {
		return &net.OpError{Op: "listen", Net: "tcp", Addr: at, Err: os.NewSyscallError("bind", err)}
	}
	return nil
}

func zone(name string) uint32 {
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	return 0
}
