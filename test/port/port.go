// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package port gives tests ports that nobody else gets, however often a server is ended and started again there.
//
// A port that was found free and let go is anybody's: the kernel gives it to the next listener on port 0, to the next
// connection that goes out, and even to one that goes to this very port. A port that is held is given to none of them.
package port

import (
	"context"
	"net"
	"strconv"
)

// TB is what holding needs of a test: every [testing.TB] has it, and so can a program that isn't a test.
type TB interface {
	Helper()
	Context() context.Context
	Cleanup(f func())
	Fatalf(format string, args ...any)
}

// Hold returns distinct loopback ports on which nothing listens, and holds them until the test ends. Who names one can
// listen there, again and again.
func Hold(tb TB, n int) []int {
	tb.Helper()
	ports := make([]int, n)
	for i := range ports {
		port, release, err := hold(tb.Context())
		if err != nil {
			tb.Fatalf("holding a port: %v", err)
		}
		tb.Cleanup(release)
		ports[i] = port
	}
	return ports
}

// Addresses are held ports as host:port.
func Addresses(tb TB, n int) []string {
	tb.Helper()
	addresses := make([]string, n)
	for i, port := range Hold(tb, n) {
		addresses[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	return addresses
}

// Address is a held port as host:port.
func Address(tb TB) string {
	tb.Helper()
	return Addresses(tb, 1)[0]
}
