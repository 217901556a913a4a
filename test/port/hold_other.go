// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package port

import (
	"context"
	"net"
)

// hold only finds a port: a second socket couldn't be bound to one that is held, where there is no Linux.
func hold(ctx context.Context) (port int, release func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	return listener.Addr().(*net.TCPAddr).Port, func() {}, listener.Close()
}
