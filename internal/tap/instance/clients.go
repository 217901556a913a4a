// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"github.com/modtap/modtap/internal/exchange"
)

// Client is who sent a request, as a receiver sees it.
type Client struct {
	// Address is the client's own. Zero: it isn't known.
	Address netip.Addr
	// Port is the client's. Zero: it isn't known, or another one's that stands between.
	Port uint16
	// Name is who the client says to be. Empty: nobody in particular.
	Name string
	// Secret tells that Name may be a secret: it is exported as a hash at most.
	Secret bool
}

// Clients tells clients apart, and says of each what may be exported.
type Clients struct {
	identity Identity
	key      []byte // of the hash that is exported
	judging  []byte // of the hash that isn't
}

// NewClients returns what does so by a policy, full, hash or none, and a secret. The two
// hashes can't be compared, whatever a client calls itself.
func NewClients(policy Identity, secret []byte) *Clients {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("modtap: clients, for judging"))
	return &Clients{identity: policy, key: secret, judging: mac.Sum(nil)}
}

// Clients returns what tells the clients of a listener or source apart; local says that
// they are all on this machine.
func (in *Instance) Clients(local bool) *Clients {
	policy := in.policy
	switch {
	case policy != "":
	case local:
		policy = IdentityFull
	default:
		policy = IdentityHash
	}
	return NewClients(policy, in.key)
}

// Exported returns what the policy lets be exported of a client.
func (c *Clients) Exported(who *Client) (out exchange.Client) {
	switch c.identity {
	case IdentityNone:
	case IdentityHash:
		if who.Address.IsValid() {
			out.Address = c.hash(who.Address.AsSlice())
		}
		if who.Name != "" {
			out.Name = c.hash([]byte(who.Name))
		}
	default:
		if out.Name = who.Name; who.Secret && who.Name != "" {
			out.Name = c.hash([]byte(who.Name))
		}
		if who.Address.IsValid() {
			out.Address, out.Port = who.Address.String(), who.Port
		}
	}
	return out
}

// Key returns what tells the client from others under every policy. The secret stands
// first and most of the sum is left out, so this is as good as HMAC
// (https://www.rfc-editor.org/rfc/rfc2104), and several times faster.
func (c *Clients) Key(who *Client) (out exchange.ClientKey) {
	var buf [256]byte
	b := append(buf[:0], c.judging...)
	b = append(b, byte(who.Address.BitLen()))
	address := who.Address.As16()
	b = append(b, address[:]...)
	b = append(b, who.Address.Zone()...)
	b = append(b, 0)
	b = append(b, who.Name...)
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out
}

func (c *Clients) hash(b []byte) string {
	mac := hmac.New(sha256.New, c.key)
	mac.Write(b)
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
