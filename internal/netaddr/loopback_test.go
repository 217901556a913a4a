// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package netaddr

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIsLoopback(t *testing.T) {
	for _, host := range []string{"localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"} {
		assert.True(t, IsLoopback(host), host)
	}
	for _, host := range []string{"", "a.localhost", "localhost.example", "notlocalhost", "localhost.", "128.0.0.1", "0.0.0.0", "::", "::2", "[::1]", "127.0.0.1:80", "host"} {
		assert.False(t, IsLoopback(host), host)
	}
}

func TestOnLoopback(t *testing.T) {
	assert.True(t, OnLoopback(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}))
	assert.True(t, OnLoopback(&net.TCPAddr{IP: net.IPv6loopback}))
	assert.False(t, OnLoopback(&net.TCPAddr{IP: net.IPv4zero}))
	assert.False(t, OnLoopback(&net.TCPAddr{}), "every address")
	assert.False(t, OnLoopback(&net.UnixAddr{Name: "/x"}))
}

func TestIsUnspecified(t *testing.T) {
	for host, want := range map[string]bool{"0.0.0.0": true, "::": true, "::ffff:0.0.0.0": true, "": false, "127.0.0.1": false, "any": false} {
		assert.Equal(t, want, IsUnspecified(host), host)
	}
}
