// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

var policies = []Identity{IdentityFull, IdentityHash, IdentityNone}

func TestWhatIsExportedOfAClient(t *testing.T) {
	secret := []byte("key")
	ann := Client{Address: netip.MustParseAddr("203.0.113.9"), Port: 1, Name: "ann"}
	assert.Equal(t, exchange.Client{Address: "203.0.113.9", Port: 1, Name: "ann"}, NewClients(IdentityFull, secret).Exported(&ann))
	assert.Equal(t, exchange.Client{}, NewClients(IdentityNone, secret).Exported(&ann))
	hash := NewClients(IdentityHash, secret)
	hashed := hash.Exported(&ann)
	assert.Regexp(t, "^[0-9a-f]{16}$", hashed.Address)
	assert.Regexp(t, "^[0-9a-f]{16}$", hashed.Name)
	assert.Zero(t, hashed.Port)
	elsewhere := ann
	elsewhere.Port = 2
	assert.Equal(t, hashed, hash.Exported(&elsewhere), "the same client gives the same hash")
	elsewhere.Address = netip.MustParseAddr("203.0.113.8")
	assert.NotEqual(t, hashed.Address, hash.Exported(&elsewhere).Address)
	assert.NotEqual(t, hashed, NewClients(IdentityHash, []byte("other")).Exported(&ann), "it is keyed")

	token := Client{Name: "ann", Secret: true}
	assert.Equal(t, exchange.Client{Name: hashed.Name}, NewClients(IdentityFull, secret).Exported(&token), "a secret is a hash at most")
	for _, policy := range policies {
		assert.Equal(t, exchange.Client{}, NewClients(policy, secret).Exported(&Client{}), policy)
	}
}

func TestClientIdentityByDefault(t *testing.T) {
	who := Client{Address: netip.MustParseAddr("127.0.0.1")}
	for _, c := range []struct {
		local     bool
		set, want Identity
	}{
		{true, "", IdentityFull}, {false, "", IdentityHash}, {false, IdentityFull, IdentityFull}, {true, IdentityNone, IdentityNone},
	} {
		in := &Instance{policy: c.set, key: []byte("key")}
		assert.Equal(t, NewClients(c.want, in.key).Exported(&who), in.Clients(c.local).Exported(&who), "%+v", c)
	}
}

// TestWhatJudges: it is the same for one client under every policy, another for every
// other client and under every other key, and none of what is exported.
func TestWhatJudges(t *testing.T) {
	seen := make(map[exchange.ClientKey]string)
	for _, key := range []string{"one", "another"} {
		for _, address := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "::", "0.0.0.0", "fe80::1", "fe80::1%a", "fe80::1%b"} {
			for _, user := range []string{"", "ann", "eve", "\x00", strings.Repeat("long", 100)} {
				who := Client{Address: netip.MustParseAddr(address), Port: 1, Name: user}
				want := NewClients(IdentityFull, []byte(key)).Key(&who)
				name := fmt.Sprintf("%s %s %q", key, address, user)
				require.Empty(t, seen[want], name)
				seen[want] = name
				for _, policy := range policies {
					clients, other := NewClients(policy, []byte(key)), who
					other.Port = 2
					assert.Equal(t, want, clients.Key(&other), "%s, %q: the port doesn't matter", name, policy)
					exported := clients.Exported(&who)
					assert.NotContains(t, []string{exported.Address, exported.Name}, hex.EncodeToString(want[:]))
				}
			}
		}
	}
}

// BenchmarkClientKey is what judging apart from telling costs a request.
func BenchmarkClientKey(b *testing.B) {
	clients := NewClients(IdentityHash, []byte("key"))
	who := Client{Address: netip.MustParseAddr("192.0.2.1"), Name: "ann"}
	b.ReportAllocs()
	for b.Loop() {
		_ = clients.Key(&who)
	}
}
