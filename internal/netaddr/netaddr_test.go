// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package netaddr

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestRegistries goes through the blocks of both special-purpose registries, the
// multicast and unassigned ones: first and last address of each, and what stands
// just before and behind it.
func TestRegistries(t *testing.T) {
	for _, tt := range []struct {
		block          string
		before, behind bool // Whether the neighbours are public.
	}{
		{"0.0.0.0/8", false, true},
		{"10.0.0.0/8", true, true},
		{"100.64.0.0/10", true, true},
		{"127.0.0.0/8", true, true},
		{"169.254.0.0/16", true, true},
		{"172.16.0.0/12", true, true},
		{"192.0.0.0/24", true, true},
		{"192.0.0.0/29", true, false},
		{"192.0.0.170/32", false, false},
		{"192.0.2.0/24", true, true},
		{"192.31.196.0/24", true, true},
		{"192.52.193.0/24", true, true},
		{"192.88.99.0/24", true, true},
		{"192.168.0.0/16", true, true},
		{"192.175.48.0/24", true, true},
		{"198.18.0.0/15", true, true},
		{"198.51.100.0/24", true, true},
		{"203.0.113.0/24", true, true},
		{"224.0.0.0/4", true, false},
		{"240.0.0.0/4", false, false},
		{"255.255.255.255/32", false, false},
		{"::1/128", false, false},
		{"::/128", false, false},
		{"::/96", false, false},
		{"::ffff:0:0:0/96", false, false},
		{"64:ff9b::/96", false, false},
		{"64:ff9b:1::/48", false, false},
		{"100::/64", false, false},
		{"100:0:0:1::/64", false, false},
		{"2001::/23", true, true},
		{"2001::/32", true, false},
		{"2001:1::1/128", false, false},
		{"2001:2::/48", false, false},
		{"2001:3::/32", false, false},
		{"2001:4:112::/48", false, false},
		{"2001:10::/28", false, false},
		{"2001:20::/28", false, false},
		{"2001:30::/28", false, false},
		{"2001:db8::/32", true, true},
		{"2002::/16", true, true},
		{"2620:4f:8000::/48", true, true},
		{"3fff::/20", true, true},
		{"4000::/3", true, false},
		{"5f00::/16", false, false},
		{"8000::/1", false, false},
		{"fc00::/7", false, false},
		{"fe80::/10", false, false},
		{"fec0::/10", false, false},
		{"ff00::/8", false, false},
	} {
		p := netip.MustParsePrefix(tt.block)
		first, last := p.Masked().Addr(), lastOf(p)
		assert.False(t, Public(first), "case 9: %s, first", tt.block)
		assert.False(t, Public(last), "case 9: %s, last", tt.block)
		if a := first.Prev(); a.IsValid() {
			assert.Equal(t, tt.before, Public(a), "%s: %s before", tt.block, a)
		}
		if a := last.Next(); a.IsValid() {
			assert.Equal(t, tt.behind, Public(a), "%s: %s behind", tt.block, a)
		}
		if first.Is4() {
			mapped := netip.AddrFrom16(first.As16())
			assert.False(t, Public(mapped), "%s", mapped)
		}
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestPublic(t *testing.T) {
	for _, s := range []string{"1.1.1.1", "8.8.8.8", "140.82.121.3", "::ffff:8.8.8.8", "2606:50c0:8000::153", "2a00:1450:4001:80b::200e", "2001:4860:4860::8888"} {
		assert.True(t, Public(netip.MustParseAddr(s)), s)
	}
	for _, s := range []string{
		"::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:a00:1::1", "2001:0:a00:1::1", "fe80::1%eth0", "2606:50c0:8000::153%eth0",
		"fd00:ec2::254", "100.100.100.200", "::a00:1", "::10.0.0.1",
	} {
		assert.False(t, Public(netip.MustParseAddr(s)), s)
	}
	assert.False(t, Public(netip.Addr{}))
}

func TestEveryIPv6OutsideGlobalUnicast(t *testing.T) {
	for first := range 256 {
		a := [16]byte{byte(first), 0x99, 0x99, 15: 1}
		assert.Equal(t, first>>5 == 1, Public(netip.AddrFrom16(a)), "%x", first)
	}
}
