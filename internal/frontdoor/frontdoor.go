// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package frontdoor decides which requests a listener answers at all. It stands
// before every HTTP listener of Modtap.
//
// A web page that a person of this machine visits can ask its loopback addresses:
// by a name of its own that resolves to one (DNS rebinding) it may even read the
// answers. The browser says which name the page used, in Host, so a loopback
// listener answers to loopback's names only, and to those that were allowed.
package frontdoor

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/modtap/modtap/internal/netaddr"
	"github.com/modtap/modtap/internal/redact"
)

// Door is that of one listener. The zero value lets everybody in.
type Door struct {
	loopback bool
	allowed  []string // In lower case; *.example.com is what ends in .example.com.
}

// New returns the door of a listener that listens at an address. allowed are the
// names that a loopback listener answers to besides loopback's own; see [Validate].
// A listener at any other address answers to every name: who reaches it is a
// matter of the network.
func New(at net.Addr, allowed []string) Door {
	d := Door{loopback: netaddr.OnLoopback(at)}
	for _, host := range allowed {
		d.allowed = append(d.allowed, strings.ToLower(host))
	}
	return d
}

// Validate returns an error for what is no host: each is a name or an address
// without a port, or *. before a name for all names below it, or * for all.
func Validate(allowed []string) error {
	var errs []error
	for _, host := range allowed {
		bare := strings.TrimPrefix(host, "*.")
		if host == "*" {
			continue
		}
		if name, ok := hostname(bare); !ok || name != strings.ToLower(bare) || strings.Contains(bare, "*") {
			errs = append(errs, fmt.Errorf("%s is no host; write for example goproxy.corp.example or *.corp.example, without a port", quote(host)))
		}
	}
	return errors.Join(errs...)
}

// Refusal returns the status and the text, one line, for a request that isn't
// answered; 0 for one that is.
//
// 421 (RFC 9110, section 15.5.20) is for a Host that isn't this listener's, 403 for
// a request that a browser makes for a page of another site
// (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header).
func (d Door) Refusal(r *http.Request) (status int, text string) {
	if !d.loopback {
		return 0, ""
	}
	name, ok := hostname(r.Host)
	switch {
	case ok && d.allows(name):
		return 0, "" // A proxy in front sends it, for whatever clients it has.
	case !ok || !own(name):
		return http.StatusMisdirectedRequest, "misdirected request: this listener is on loopback and doesn't answer to the name " + quote(r.Host) +
			"; ask it by 127.0.0.1 or localhost (a proxy in front: nginx has proxy_set_header Host $proxy_host), or allow the name with allowed_hosts or MODTAP_ALLOWED_HOSTS"
	case strings.EqualFold(r.Header.Get("Sec-Fetch-Site"), "cross-site"):
		return http.StatusForbidden, "request for a page of another site refused (Sec-Fetch-Site: cross-site): open the address itself"
	}
	return 0, ""
}

// Handler is next behind the door, which reads no body. Its answers are Modtap's own, so that no browser
// takes them for something else (https://fetch.spec.whatwg.org/#x-content-type-options-header).
func (d Door) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		LeaveBody(w, r)
		if status, text := d.Refusal(r); status != 0 {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text + "\n")) // Who asked may have left.
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (d Door) allows(name string) bool {
	for _, allowed := range d.allowed {
		suffix, below := strings.CutPrefix(allowed, "*")
		if allowed == name || below && strings.HasSuffix(name, suffix) && name != suffix {
			return true
		}
	}
	return false
}

// own tells whether a loopback listener answers to a name: to one of loopback, to those
// below localhost, which browsers take for it (RFC 6761, section 6.3), and to none at
// all, which only HTTP/1.0 may send.
func own(name string) bool {
	return name == "" || strings.HasSuffix(name, ".localhost") || netaddr.IsLoopback(name)
}

// hostname is the host of a Host header (RFC 9110, section 7.2) in lower case,
// without its port, brackets and the dot of an absolute name. It is false for what is
// no host and port: userinfo, a zone.
func hostname(host string) (string, bool) {
	port := ""
	if rest, ok := strings.CutPrefix(host, "["); ok {
		if host, port, ok = strings.Cut(rest, "]"); !ok || !strings.Contains(host, ":") {
			return "", false
		}
	} else if i := strings.IndexByte(host, ':'); i >= 0 {
		if _, err := netip.ParseAddr(host); err != nil { // An address without brackets is one of allowed_hosts.
			host, port = host[:i], host[i:]
		}
	}
	if port != "" {
		if _, err := strconv.ParseUint("0"+port[1:], 10, 32); err != nil || port[0] != ':' {
			return "", false
		}
	}
	for _, r := range host {
		if r >= 0x7f || r != ':' && !netaddr.IsNameRune(r) { // A colon is an address's.
			return "", false
		}
	}
	if host != "." {
		host = strings.TrimSuffix(host, ".")
	}
	return strings.ToLower(host), true
}

// quote is a Host as it may be shown.
func quote(host string) string {
	const most = 100
	if host = host[:min(len(host), most)]; strings.ContainsAny(host, " \t\r\n") {
		host = redact.Placeholder
	}
	return strconv.QuoteToASCII(redact.Address(host))
}
