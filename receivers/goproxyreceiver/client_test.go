// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/tap/instance"
)

func clientOf(i identifier, remote string, h http.Header) exchange.Client {
	who, _, _ := i.client(&http.Request{RemoteAddr: remote, Header: h})
	return i.clients.Exported(&who)
}

func TestClientAddress(t *testing.T) {
	trusted, err := prefixes([]string{"10.0.0.0/8", "127.0.0.1", "fd00::/8", "::ffff:192.0.2.1"})
	require.NoError(t, err)
	i := identifier{trusted: trusted, clients: instance.NewClients(instance.IdentityFull, nil)}
	const peer = "10.0.0.1:4711"
	forwarded := func(lines ...string) http.Header { return http.Header{"Forwarded": lines} }
	xff := func(lines ...string) http.Header { return http.Header{"X-Forwarded-For": lines} }
	for _, c := range []struct {
		name   string
		remote string
		header http.Header
		want   string
		port   uint16
	}{
		{"no header", "203.0.113.9:1", nil, "203.0.113.9", 1},
		{"no header, trusted", peer, nil, "10.0.0.1", 4711},
		{"untrusted peer", "203.0.113.9:1", xff("1.1.1.1"), "203.0.113.9", 1},
		{"untrusted peer, both", "203.0.113.9:1", http.Header{"Forwarded": {"for=1.1.1.1"}, "X-Forwarded-For": {"1.1.1.1"}}, "203.0.113.9", 1},
		{"one hop", peer, xff("203.0.113.9"), "203.0.113.9", 0},
		{"spoofed left part", peer, xff("1.1.1.1, 203.0.113.9"), "203.0.113.9", 0},
		{"spoofed line", peer, xff("1.1.1.1", "203.0.113.9"), "203.0.113.9", 0},
		{"spoofed as trusted", peer, xff("1.1.1.1, 10.1.1.1, 203.0.113.9"), "203.0.113.9", 0},
		{"two trusted hops", peer, xff("203.0.113.9, 10.0.0.2"), "203.0.113.9", 0},
		{"trusted hops only", peer, xff("10.0.0.3, 10.0.0.2"), "10.0.0.3", 0},
		{"garbage before a trusted hop", peer, xff("garbage, 10.0.0.2"), "10.0.0.2", 0},
		{"garbage", peer, xff("garbage"), "10.0.0.1", 4711},
		{"empty", peer, xff(""), "10.0.0.1", 4711},
		{"trailing comma", peer, xff("203.0.113.9,"), "10.0.0.1", 4711},
		{"with a port", peer, xff("203.0.113.9:80"), "203.0.113.9", 0},
		{"IPv6", peer, xff("2001:db8::1"), "2001:db8::1", 0},
		{"IPv6 in brackets", peer, xff("[2001:db8::1]"), "2001:db8::1", 0},
		{"IPv6 with a port", peer, xff("[2001:db8::1]:80"), "2001:db8::1", 0},
		{"IPv4 in IPv6", peer, xff("203.0.113.9, ::ffff:10.0.0.2"), "203.0.113.9", 0},
		{"IPv6 peer", "[fd00::1]:1", xff("203.0.113.9"), "203.0.113.9", 0},
		{"IPv6 peer with a zone", "[fd00::1%eth0]:1", xff("203.0.113.9"), "203.0.113.9", 0},
		{"peer that is IPv4 in IPv6", "[::ffff:10.0.0.1]:1", xff("203.0.113.9"), "203.0.113.9", 0},
		{"trusted as IPv4 in IPv6", "192.0.2.1:1", xff("203.0.113.9"), "203.0.113.9", 0},
		{"Forwarded", peer, forwarded("for=203.0.113.9;proto=https;by=10.0.0.1"), "203.0.113.9", 0},
		{"Forwarded, spoofed left part", peer, forwarded("for=1.1.1.1, for=203.0.113.9"), "203.0.113.9", 0},
		{"Forwarded, IPv6", peer, forwarded(`For="[2001:db8::1]:4711"`), "2001:db8::1", 0},
		{"Forwarded, unknown", peer, forwarded("for=1.1.1.1, for=unknown"), "10.0.0.1", 4711},
		{"Forwarded, obfuscated", peer, forwarded("for=_hidden"), "10.0.0.1", 4711},
		{"Forwarded, no for", peer, forwarded("for=1.1.1.1, proto=http"), "10.0.0.1", 4711},
		{"Forwarded, open quote", peer, forwarded(`for="1.1.1.1, for=203.0.113.9`), "203.0.113.9", 0},
		{"both, alike", peer, http.Header{"Forwarded": {"for=203.0.113.9"}, "X-Forwarded-For": {"203.0.113.9"}}, "203.0.113.9", 0},
		{"both, Forwarded spoofed", peer, http.Header{"Forwarded": {"for=1.1.1.1"}, "X-Forwarded-For": {"203.0.113.9"}}, "10.0.0.1", 4711},
		{"both, X-Forwarded-For spoofed", peer, http.Header{"Forwarded": {"for=203.0.113.9"}, "X-Forwarded-For": {"1.1.1.1"}}, "10.0.0.1", 4711},
		{"no address at all", "@", xff("1.1.1.1"), "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, exchange.Client{Address: c.want, Port: c.port}, clientOf(i, c.remote, c.header))
		})
	}
}

func TestHashOutlivesARestart(t *testing.T) {
	address := func(cfg *Config) any {
		r := startReceiver(t, cfg)
		ask(t, r.url, get(zip))
		return r.exchanges(t)[0].log["client.address"]
	}
	cfg := testConfig(t, rawOrigin(t, plain).url)
	cfg.ClientIdentity = instance.IdentityHash
	first := address(cfg)
	assert.NotEqual(t, "127.0.0.1", first)
	again := *cfg
	assert.Equal(t, first, address(&again))
	again.DataDir = t.TempDir()
	assert.NotEqual(t, first, address(&again))
}

func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", ",", `for="[::1]:80";by=x, for=1.1.1.1`, "for=unknown", `for="a\"b"`, "1.1.1.1, [::1]:80, x", "::ffff:1.2.3.4%z"} {
		f.Add(seed, seed)
	}
	trusted := identifier{trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, clients: instance.NewClients(instance.IdentityFull, nil)}
	f.Fuzz(func(t *testing.T, forwarded, xff string) {
		h := http.Header{"Forwarded": {forwarded}, "X-Forwarded-For": {xff}}
		assert.Equal(t, exchange.Client{Address: "203.0.113.9", Port: 1}, clientOf(trusted, "203.0.113.9:1", h), "an untrusted peer is never believed")

		h["Forwarded"] = append(h["Forwarded"], "for=198.51.100.7")
		h["X-Forwarded-For"] = append(h["X-Forwarded-For"], "198.51.100.7")
		assert.Equal(t, exchange.Client{Address: "198.51.100.7"}, clientOf(trusted, "10.0.0.1:1", h), "what stands left of an untrusted hop is never believed")
	})
}

// TestWhoseConnection: that of a trusted proxy is nobody's own, whatever it says, nor
// that of one that says so.
func TestWhoseConnection(t *testing.T) {
	trusted, err := prefixes([]string{"10.0.0.0/8"})
	require.NoError(t, err)
	for _, identity := range policies {
		i := identifier{trusted: trusted, clients: instance.NewClients(identity, nil)}
		for remote, want := range map[string]bool{"203.0.113.9:1": true, "10.0.0.1:1": false, "[::ffff:10.0.0.1]:1": false, "pipe": false} {
			_, _, direct := i.client(&http.Request{RemoteAddr: remote})
			assert.Equal(t, want, direct, "%s, %s", identity, remote)
			for _, name := range []string{"X-Forwarded-For", "Forwarded", "Via"} {
				_, _, direct := i.client(&http.Request{RemoteAddr: remote, Header: http.Header{name: {"203.0.113.9"}}})
				assert.False(t, direct, "%s, %s, %s", identity, remote, name)
			}
			for _, spoken := range []string{"1.0", "1.1", "2.0"} {
				for agent, says := range map[string]string{"Go-http-client/1.1": "1.1", "Go-http-client/2.0": "2.0", "GoCommand/1": spoken, "curl/2.0": spoken} {
					_, _, direct := i.client(&http.Request{RemoteAddr: remote, Proto: "HTTP/" + spoken, Header: http.Header{"User-Agent": {agent}}})
					assert.Equal(t, want && says == spoken, direct, "%s, %s, %s over HTTP/%s", identity, remote, agent, spoken)
				}
			}
		}
	}
}
