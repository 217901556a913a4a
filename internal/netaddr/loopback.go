// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package netaddr

import (
	"net"
	"net/netip"
	"strings"
)

// IsLoopback reports whether who dials host, a name or an address without brackets,
// reaches this machine and no other: localhost in whatever case, 127.0.0.0/8 and ::1. A
// name below localhost isn't one (RFC 6761, section 6.3): a name service may know it.
func IsLoopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// OnLoopback reports whether nobody on another machine reaches what listens at a.
func OnLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// IsUnspecified reports whether host is the address 0.0.0.0 or ::, at which a listener
// is reached by every address, and who dials it reaches this machine.
func IsUnspecified(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsUnspecified()
}
