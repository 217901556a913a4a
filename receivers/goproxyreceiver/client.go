// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goauth"
	"github.com/modtap/modtap/internal/redact"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/tap/instance"
)

// identifier tells who sent a request.
type identifier struct {
	trusted  []netip.Prefix
	header   string // that names the client; empty: none
	identity instance.Identity
	users    bool   // of Basic authorization are told like other names; else as a hash
	key      []byte // of the hash that is told
	judging  []byte // the key of the hash that isn't; see judgingKey
}

// client returns who sent r, as the policy lets it be told, and what tells that
// client from others, as nobody is told. direct is true if the connection is the
// client's own, as far as configuration and header say: a proxy's is shared by many.
func (i *identifier) client(r *http.Request) (c exchange.Client, key session.Key, direct bool) {
	name, open := i.name(r)
	key = session.Key{UserAgent: r.UserAgent(), Identity: name, Owner: r.Header.Get(goauth.HeaderOwner)}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil {
		key.Address = i.origin(peer.Addr().Unmap(), r.Header)
		direct = !i.trusts(peer.Addr().Unmap()) && !relayed(r)
	}
	switch i.identity {
	case instance.IdentityNone:
	case instance.IdentityHash:
		if err == nil {
			c.Address = i.hash(key.Address.AsSlice())
		}
		if key.Identity != "" {
			c.Name = i.hash([]byte(key.Identity))
		}
	default:
		if c.Name = name; !open && name != "" {
			c.Name = i.hash([]byte(name))
		}
		if err != nil {
			break
		}
		c.Address = key.Address.String()
		if key.Address == peer.Addr().Unmap() {
			c.Port = peer.Port()
		}
	}
	return c, key, direct
}

// judgingKey derives the key of what judges from the instance's: what judges and what
// is told can't be compared, whatever a client calls itself.
func judgingKey(instance []byte) []byte {
	mac := hmac.New(sha256.New, instance)
	mac.Write([]byte("modtap: clients, for judging"))
	return mac.Sum(nil)
}

// clientKey returns what tells the client of key from others under every policy. The
// secret stands first and most of the sum is left out, so this is as good as HMAC
// (https://www.rfc-editor.org/rfc/rfc2104), and several times faster.
func (i *identifier) clientKey(key *session.Key) (out exchange.ClientKey) {
	var buf [256]byte
	b := append(buf[:0], i.judging...)
	b = append(b, byte(key.Address.BitLen()))
	address := key.Address.As16()
	b = append(b, address[:]...)
	b = append(b, key.Address.Zone()...)
	b = append(b, 0)
	b = append(b, key.Identity...)
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out
}

func (i *identifier) hash(b []byte) string {
	mac := hmac.New(sha256.New, i.key)
	mac.Write(b)
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// name returns who the client says to be: what the configured header holds, else
// the common name of its certificate, else the user of Basic authorization. open
// tells whether it may be told as it is: a user of Basic may be a token.
func (i *identifier) name(r *http.Request) (name string, open bool) {
	open = true
	if i.header != "" {
		name = r.Header.Get(i.header)
	}
	if name == "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		name = r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	if name == "" && len(r.Header["Authorization"]) > 0 {
		var password string
		name, password, _ = r.BasicAuth()
		open = i.users && isPassword(password)
	}
	return strings.ToValidUTF8(name, "\uFFFD"), open && !redact.IsToken(name)
}

// isPassword tells a password from what is put in its place where the user is a
// token: nothing, a letter, a word for it.
func isPassword(password string) bool {
	switch strings.ToLower(password) {
	case "x-oauth-basic", "x-access-token", "oauth2", "token", "api_token", "unused", "none", "null", "password":
		return false
	}
	return len(password) >= 4
}

// origin walks the forwarding headers from the nearest hop away from us for as
// long as the hop is trusted. What a client wrote itself stands further away
// than the first hop that isn't trusted, so it is never believed.
func (i *identifier) origin(peer netip.Addr, h http.Header) netip.Addr {
	if !i.trusts(peer) {
		return peer
	}
	a, b := i.walk(peer, forwarded(h)), i.walk(peer, forwardedFor(h))
	switch {
	case len(h["Forwarded"]) == 0:
		return b
	case len(h["X-Forwarded-For"]) == 0 || a == b:
		return a
	}
	return peer // the hop wrote only one of them, and the client can have written the other
}

func (i *identifier) walk(peer netip.Addr, hops []string) netip.Addr {
	for _, hop := range slices.Backward(hops) {
		addr, ok := hopAddr(hop)
		if !ok {
			break
		}
		peer = addr
		if !i.trusts(addr) {
			break
		}
	}
	return peer
}

func (i *identifier) trusts(a netip.Addr) bool {
	a = a.WithZone("")
	for _, p := range i.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwarded returns the hops that Forwarded names (RFC 7239), the nearest last.
func forwarded(h http.Header) []string {
	var hops []string
	for _, line := range h.Values("Forwarded") {
		for element := range strings.SplitSeq(line, ",") {
			hop := ""
			for pair := range strings.SplitSeq(element, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				if strings.EqualFold(name, "for") {
					hop = strings.Trim(value, `"`)
				}
			}
			hops = append(hops, hop)
		}
	}
	return hops
}

// forwardedFor returns the hops that X-Forwarded-For names, the nearest last.
func forwardedFor(h http.Header) []string {
	var hops []string
	for _, line := range h.Values("X-Forwarded-For") {
		hops = append(hops, strings.Split(line, ",")...)
	}
	return hops
}

// hopAddr reads an address that may have a port and brackets.
func hopAddr(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap(), true
	}
	a, err := netip.ParseAddrPort(s)
	return a.Addr().Unmap(), err == nil
}
