// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"net/http"
	"net/netip"
	"strings"
)

// putForwarded tells the proxy beside us who asked, by what name and over what
// scheme, so that what it says of itself, as in a redirect, is the outside address.
// A trusted hop may have said so before us: that stays, and its own address is
// appended. What others wrote is theirs and not to be believed behind us.
func (i *identifier) putForwarded(h http.Header, r *http.Request) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	addr := peer.Addr().Unmap().WithZone("")
	if err != nil || !i.trusts(addr) {
		dropForwarded(h)
	}
	if err == nil {
		appendHop(h, addr)
	}
	if _, said := h["X-Forwarded-Host"]; !said && r.Host != "" {
		h["X-Forwarded-Host"] = []string{r.Host[strings.LastIndexByte(r.Host, '@')+1:]}
	}
	if _, said := h["X-Forwarded-Proto"]; !said {
		h["X-Forwarded-Proto"] = []string{scheme(r)}
	}
}

func dropForwarded(h http.Header) {
	delete(h, "Forwarded")
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded-") {
			delete(h, name)
		}
	}
}

// appendHop appends the address of the hop before us. Where hops are named in one
// of the two headers only, they are the same in both: whoever compares them
// believes neither if they aren't.
func appendHop(h http.Header, addr netip.Addr) {
	hops := forwardedFor(h)
	if standard := forwarded(h); len(standard) > 0 {
		if len(hops) == 0 {
			hops = standard
		}
		hop := "for=" + addr.String()
		if addr.Is6() {
			hop = `for="[` + addr.String() + `]"`
		}
		h["Forwarded"] = []string{strings.Join(append(h["Forwarded"], hop), ", ")}
	}
	if len(hops) == 0 {
		h["X-Forwarded-For"] = []string{addr.String()}
		return
	}
	for i := range hops {
		hops[i] = strings.TrimSpace(hops[i])
	}
	h["X-Forwarded-For"] = []string{strings.Join(append(hops, addr.String()), ", ")}
}
