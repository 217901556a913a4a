// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package netaddr tells public addresses from all others. Public is what is listed:
// the global unicast space without the blocks of the special-purpose registries
// (https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry), so what nobody
// thought of isn't public.
package netaddr

import "net/netip"

// special4 are the IPv4 blocks that aren't the public's, multicast included.
var special4 = prefixes(
	"0.0.0.0/8",          // this network, RFC 791
	"10.0.0.0/8",         // private, RFC 1918
	"100.64.0.0/10",      // shared by carriers' NATs, RFC 6598
	"127.0.0.0/8",        // loopback
	"169.254.0.0/16",     // link-local, RFC 3927; cloud metadata
	"172.16.0.0/12",      // private
	"192.0.0.0/24",       // IETF protocol assignments, RFC 6890
	"192.0.2.0/24",       // documentation, RFC 5737
	"192.31.196.0/24",    // AS112-v4, RFC 7535
	"192.52.193.0/24",    // AMT, RFC 7450
	"192.88.99.0/24",     // 6to4 relays, deprecated by RFC 7526
	"192.168.0.0/16",     // private
	"192.175.48.0/24",    // AS112, RFC 7534
	"198.18.0.0/15",      // benchmarks, RFC 2544
	"198.51.100.0/24",    // documentation
	"203.0.113.0/24",     // documentation
	"224.0.0.0/4",        // multicast
	"240.0.0.0/4",        // reserved, RFC 1112
	"255.255.255.255/32", // broadcast
)

// global6 is the IPv6 space that is given out (https://www.iana.org/assignments/ipv6-address-space);
// special6 is what of it isn't the public's. Translations of IPv4 addresses
// (64:ff9b::/96, 64:ff9b:1::/48, ::ffff:0:0:0/96) are outside of it.
var (
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes(
		"2001::/23",         // IETF protocol assignments, RFC 2928: Teredo, ORCHID, benchmarks, ...
		"2001:db8::/32",     // documentation, RFC 3849
		"2002::/16",         // 6to4, RFC 3056: any IPv4 address in another form
		"2620:4f:8000::/48", // AS112, RFC 7534
		"3fff::/20",         // documentation, RFC 9637
	)
)

// Public reports whether a is an address of the public Internet. An IPv4 address in
// the form of an IPv6 one (::ffff:0:0/96) is what it is in its own; one with a zone
// is none.
func Public(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	if a = a.Unmap(); a.Is4() {
		return !in(special4, a)
	}
	return global6.Contains(a) && !in(special6, a)
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func in(blocks []netip.Prefix, a netip.Addr) bool {
	for _, p := range blocks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
