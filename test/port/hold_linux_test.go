// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package port_test

import (
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

// portRange (IP_LOCAL_PORT_RANGE, Linux 6.3) is a socket's own range of ports to choose from.
const portRange = 51

// only lets a socket choose this port alone.
func only(p int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		control := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, portRange, p<<16|p)
		})
		if control != nil {
			return control
		}
		return err
	}
}

// TestNobodyGetsAHeldPort asks the kernel for a port, with no other to choose from.
func TestNobodyGetsAHeldPort(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	listen := func(p int) error {
		l, err := (&net.ListenConfig{Control: only(p)}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err == nil {
			assert.NoError(t, l.Close())
		}
		return err
	}
	dial := func(p int, to string) error {
		c, err := (&net.Dialer{Control: only(p)}).DialContext(t.Context(), "tcp", to)
		if err == nil {
			// Aborted, so that nothing stays at the port.
			assert.NoError(t, c.(*net.TCPConn).SetLinger(0))
			assert.NoError(t, c.Close())
		}
		return err
	}

	var gotten bool
	for range 10 { // as it is anybody's, anybody may have it
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p := free.Addr().(*net.TCPAddr).Port
		require.NoError(t, free.Close())
		err = listen(p)
		if errors.Is(err, syscall.ENOPROTOOPT) {
			require.Empty(t, os.Getenv("CI"), "needs Linux 6.3")
			t.Skip("SKIPPED: that a held port is given to nobody isn't tested: before Linux 6.3 a socket has no range of its own")
		}
		gotten = gotten || err == nil && dial(p, server.Addr().String()) == nil
	}
	require.True(t, gotten, "a port that isn't held")

	for _, p := range port.Hold(t, 20) {
		require.ErrorIs(t, listen(p), syscall.EADDRINUSE)
		require.ErrorIs(t, dial(p, server.Addr().String()), syscall.EADDRNOTAVAIL)
		require.ErrorIs(t, dial(p, net.JoinHostPort("127.0.0.1", strconv.Itoa(p))), syscall.EADDRNOTAVAIL, "to itself")
		// A server that came and went changes nothing.
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		require.NoError(t, err)
		require.ErrorIs(t, listen(p), syscall.EADDRINUSE)
		require.NoError(t, l.Close())
		require.ErrorIs(t, listen(p), syscall.EADDRINUSE)
		require.ErrorIs(t, dial(p, server.Addr().String()), syscall.EADDRNOTAVAIL)
	}
}
