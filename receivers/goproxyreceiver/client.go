// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/modtap/modtap/internal/goauth"
	"github.com/modtap/modtap/internal/redact"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/tap/instance"
)

// identifier tells who sent a request.
type identifier struct {
	trusted []netip.Prefix
	header  string // that names the client; empty: none
	users   bool   // of Basic authorization are exported like other names; else as a hash
	clients *instance.Clients
}

// client returns who sent r, and what tells its session. direct is true if the connection
// is the client's own, as far as configuration and header say: a proxy's is shared by many.
func (i *identifier) client(r *http.Request) (who instance.Client, key session.Key, direct bool) {
	who.Name, who.Secret = i.name(r)
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		from := peer.Addr().Unmap()
		if who.Address = i.origin(from, r.Header); who.Address == from {
			who.Port = peer.Port()
		}
		direct = !i.trusts(from) && !relayed(r)
	}
	key = session.Key{Address: who.Address, UserAgent: r.UserAgent(), Identity: who.Name, Owner: r.Header.Get(goauth.HeaderOwner)}
	return who, key, direct
}

// name returns who the client says to be: what the configured header holds, else
// the common name of its certificate, else the user of Basic authorization. It may be
// a secret: a user of Basic is often a token.
func (i *identifier) name(r *http.Request) (name string, secret bool) {
	if i.header != "" {
		name = r.Header.Get(i.header)
	}
	if name == "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		name = r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	if name == "" && len(r.Header["Authorization"]) > 0 {
		var password string
		name, password, _ = r.BasicAuth()
		secret = !i.users || !isPassword(password)
	}
	return strings.ToValidUTF8(name, "\uFFFD"), secret || redact.IsToken(name)
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
