// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package port_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

func TestPortsAreDistinct(t *testing.T) {
	seen := map[int]bool{}
	for _, p := range append(port.Hold(t, 50), port.Hold(t, 50)...) {
		assert.Positive(t, p)
		assert.False(t, seen[p], "port %d twice", p)
		seen[p] = true
	}
}

// TestAServerComesAndGoes: with connections that are left open at its end too, whose remains stay at the port.
func TestAServerComesAndGoes(t *testing.T) {
	address := port.Address(t)
	for range 5 {
		_, err := net.Dial("tcp", address)
		require.ErrorContains(t, err, "refused", "nothing listens")
		listener, err := net.Listen("tcp", address)
		require.NoError(t, err)
		client, err := net.Dial("tcp", address)
		require.NoError(t, err)
		server, err := listener.Accept()
		require.NoError(t, err)
		_, err = net.Listen("tcp", address)
		require.ErrorContains(t, err, "in use", "one at a time")
		require.NoError(t, server.Close())
		require.NoError(t, listener.Close())
		require.NoError(t, client.Close())
	}
}
