// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package leak finds requests that tell the public of private modules: a module
// path on its way to a public module proxy or a checksum database.
package leak

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// Sent is what a request tells an upstream.
type Sent struct {
	// Host is the upstream's, without a port; empty: a folder.
	Host string
	// Request is what is asked, where it is asked in the spelling of the protocol
	// and in no other; see [goproxy.Request.Plain]. Zero: Target says what.
	Request goproxy.Request
	// Target is the request target as it is written, with its query.
	Target string
	// Redirect is true where an upstream named the target, not a client: where a
	// file is stored is for the upstream to say.
	Redirect bool
}

// Guard judges requests. The zero value knows no private module and blocks nothing.
type Guard struct {
	// Detector knows the private modules; nil: there are none.
	Detector *Detector
	// Block keeps back what would leak, and whatever else isn't the protocol on its
	// way to the public: who can't tell what it says can't tell that it leaks nothing.
	Block bool
}

// Judge returns the pattern of the private module that a request tells the public
// of, empty if none, and a [*Blocked] if it must not be sent.
func (g Guard) Judge(s Sent) (pattern string, err error) {
	if g.Detector == nil {
		return "", nil
	}
	pattern = g.Detector.Match(s)
	if g.Block && (pattern != "" || s.Request.Operation == goproxy.Other && !s.Redirect && !g.Detector.private(s.Host)) {
		return pattern, &Blocked{Pattern: pattern}
	}
	return pattern, nil
}

// Match returns the pattern of the private module that a request tells the public
// of; empty: it doesn't. Public is what isn't by its name or address the own
// machine or network, and doesn't match the patterns itself; names are not resolved.
// A checksum lookup is told to whoever has the database, through whatever proxy.
//
// Each element of a path may be the module's first, in any spelling.
func (d *Detector) Match(s Sent) (pattern string) {
	if d == nil {
		return ""
	}
	private := d.private(s.Host)
	r := s.Request
	switch {
	case r.Operation == goproxy.Other:
		find := d.find
		if private {
			find = d.findLookup
		}
		return cmp.Or(find(goproxy.Fold(s.Target)), find(goproxy.FoldBare(s.Target)))
	case private && (r.SumDBKind != goproxy.SumDBLookup || d.privateDatabase(r.SumDB)):
		return ""
	}
	version := ""
	if strings.Contains(r.Version, "%") {
		version = r.Version // What it holds, when decoded once more, is no version.
	}
	if pattern = d.find(goproxy.Fold(r.Prefix, r.SumDB, r.Module, version)); pattern == "" && r.Module != "" {
		pattern = d.exact(r.Module)
	}
	return pattern
}

// findLookup finds a module in a target that could be a lookup of it in a public
// checksum database.
func (d *Detector) findLookup(target goproxy.Folded) string {
	below, ok := target.Below("sumdb")
	if !ok {
		return ""
	}
	for database := range below.Elements() {
		if !below.Up && d.private(database) && strings.Contains(database, ".") {
			return ""
		}
		break
	}
	return d.find(below)
}

// privateDatabase tells whether a checksum database is the own network's by its
// name: a host, perhaps with a port and a path.
func (d *Detector) privateDatabase(name string) bool {
	host, _, _ := strings.Cut(name, "/")
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return d.private(host)
}

// private tells whether a host is the own machine or network, or matches the
// patterns.
func (d *Detector) private(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.Contains(host, ".") { // localhost, a name of the own domain, or a folder
		return true
	}
	for _, own := range []string{".localhost", ".local", ".internal", ".home.arpa"} {
		if strings.HasSuffix(host, own) {
			return true
		}
	}
	for i := range d.patterns {
		if p := &d.patterns[i]; len(p.elements) == 1 && p.elements[0].matches(host) {
			return true
		}
	}
	return false
}

// Blocked is the error of a request that isn't sent because it would leak, or
// could.
type Blocked struct {
	// Pattern is the one that matched; empty: the request isn't the protocol.
	Pattern string
}

// Error says why, and what to do.
func (b *Blocked) Error() string {
	if b.Pattern == "" {
		return "not a path of the GOPROXY protocol in its own spelling, so leak_action: block doesn't send it to the public; ask for one, or add the upstream's host to leak_patterns if it is your own"
	}
	return fmt.Sprintf("private module: it matches %q of leak_patterns and isn't sent to the public; fetch it past this proxy (GONOPROXY, GONOSUMDB)", b.Pattern)
}

// ErrorType is the error.type word.
func (*Blocked) ErrorType() string { return exchange.ErrorLeakBlocked }

// Status is 404, which has the go command ask the next proxy of its list.
func (*Blocked) Status() int { return http.StatusNotFound }
