// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package leak finds requests that tell the public of private modules: a module
// path on its way to a public module proxy or a checksum database.
package leak

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// Detector knows which modules are private. Nil knows none.
type Detector struct {
	patterns []string
	all      string
}

// New returns a detector for patterns as in GOPRIVATE
// (https://go.dev/ref/mod#private-modules): a comma-separated list of module path
// prefixes in the syntax of [path.Match]. Without one it is nil.
func New(patterns string) (*Detector, error) {
	d := &Detector{all: patterns}
	var errs []error
	for p := range strings.SplitSeq(patterns, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		if _, err := path.Match(p, ""); err != nil {
			errs = append(errs, fmt.Errorf("%q is no pattern: %w", p, err))
		}
		d.patterns = append(d.patterns, p)
	}
	if err := errors.Join(errs...); err != nil || len(d.patterns) == 0 {
		return nil, err
	}
	d.all = strings.Join(d.patterns, ",")
	return d, nil
}

// Find returns the pattern of the first private module that the attempts tell the
// public of, or would have told; empty: none.
func (d *Detector) Find(attempts []exchange.Attempt) (pattern string) {
	if d == nil {
		return ""
	}
	for i := range attempts {
		a := &attempts[i]
		if a.Direct || a.Error == exchange.CircuitOpen {
			continue // fetched from where the module lives, or not sent
		}
		if u, err := url.Parse(a.URL); err == nil {
			if pattern = d.Match(u); pattern != "" {
				return pattern
			}
		}
	}
	return ""
}

// Match returns the pattern of the private module that a request for u tells the
// public of; empty: it doesn't. Where a checksum is looked up that is whoever has
// the database, though a proxy between passes it on, else the host. Public is what
// isn't by its name or address the own machine or network, and doesn't match the
// patterns itself; names are not resolved.
func (d *Detector) Match(u *url.URL) (pattern string) {
	if d == nil {
		return ""
	}
	if database, name, ok := lookup(u); ok {
		if d.private(database) {
			return ""
		}
		return d.pattern(name)
	}
	if m := goproxy.Parse(u.Path).Module; m != "" && !d.private(u.Hostname()) {
		return d.pattern(m)
	}
	return ""
}

// lookup reads a request of a checksum database for the hashes of a module
// (https://go.dev/design/25530-sumdb#checksum-database), passed on by a proxy or
// not.
func lookup(u *url.URL) (database, name string, ok bool) {
	before, after, found := strings.Cut(u.Path, "/lookup/")
	if !found {
		return "", "", false
	}
	database = u.Hostname()
	if i := strings.LastIndex(before, "/sumdb/"); i >= 0 {
		database = before[i+len("/sumdb/"):]
	} else if before != "" {
		return "", "", false
	}
	escaped, _, _ := strings.Cut(after, "@")
	name, err := module.UnescapePath(escaped)
	return database, name, err == nil
}

func (d *Detector) pattern(name string) string {
	for _, p := range d.patterns {
		if module.MatchPrefixPatterns(p, name) {
			return p
		}
	}
	return ""
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
	return module.MatchPrefixPatterns(d.all, host)
}

// Blocked is the error of a request that isn't sent because it would leak.
type Blocked struct{ Pattern string }

// Error says which pattern matched.
func (b *Blocked) Error() string {
	return fmt.Sprintf("private module: it matches %q of leak_patterns and isn't sent to the public; fetch it past this proxy (GONOPROXY, GONOSUMDB)", b.Pattern)
}

// ErrorType is the error.type word.
func (*Blocked) ErrorType() string { return exchange.LeakBlocked }

// Status is 404, which has the go command ask the next proxy of its list.
func (*Blocked) Status() int { return http.StatusNotFound }

// Guard returns a [Blocked] for a request that would leak.
func (d *Detector) Guard(u *url.URL) error {
	if p := d.Match(u); p != "" {
		return &Blocked{Pattern: p}
	}
	return nil
}
