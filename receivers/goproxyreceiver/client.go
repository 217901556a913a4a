// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

// Identity says how a client's address and name are told.
type Identity string

// The values of Identity. Empty: full on a loopback listener, else hash.
const (
	IdentityFull Identity = "full"
	IdentityHash Identity = "hash" // keyed; the same value gives the same hash
	IdentityNone Identity = "none"
)

// UnmarshalText implements [encoding.TextUnmarshaler]. It returns an error that
// lists the values there are.
func (i *Identity) UnmarshalText(text []byte) error {
	switch v := Identity(text); v {
	case "", IdentityFull, IdentityHash, IdentityNone:
		*i = v
		return nil
	}
	return fmt.Errorf("unknown value %q: write full, hash or none", text)
}

// identifier tells who sent a request.
type identifier struct {
	trusted  []netip.Prefix
	header   string // that names the client; empty: none
	identity Identity
	key      []byte // of the hash
}

// client returns who sent r, as the policy lets it be told, and what tells that
// client from others.
func (i *identifier) client(r *http.Request) (exchange.Client, session.Key) {
	key := session.Key{UserAgent: r.UserAgent(), Identity: i.name(r)}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil {
		key.Address = i.origin(peer.Addr().Unmap(), r.Header)
	}
	var c exchange.Client
	switch i.identity {
	case IdentityNone:
	case IdentityHash:
		if err == nil {
			c.Address = i.hash(key.Address.AsSlice())
		}
		if key.Identity != "" {
			c.Name = i.hash([]byte(key.Identity))
		}
	default:
		c.Name = key.Identity
		if err != nil {
			break
		}
		c.Address = key.Address.String()
		if key.Address == peer.Addr().Unmap() {
			c.Port = peer.Port()
		}
	}
	return c, key
}

func (i *identifier) hash(b []byte) string {
	mac := hmac.New(sha256.New, i.key)
	mac.Write(b)
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// name returns who the client says to be: what the configured header holds, else
// the common name of its certificate, else the user of Basic authorization.
func (i *identifier) name(r *http.Request) string {
	name := ""
	if i.header != "" {
		name = r.Header.Get(i.header)
	}
	if name == "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		name = r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	if name == "" {
		name = basicUser(r)
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}

// basicUser returns the user of Basic authorization. Where there is no password,
// or the one that says so, the user is a token and a secret.
func basicUser(r *http.Request) string {
	if len(r.Header["Authorization"]) == 0 {
		return ""
	}
	user, password, _ := r.BasicAuth()
	if password == "" || password == "x-oauth-basic" {
		return ""
	}
	return user
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
