// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package redact takes secrets out of what leaves the process: URLs, and texts
// that may have URLs or credentials anywhere in them. It is the only place that
// does; .golangci.yml forbids net/url's own ways elsewhere, since
// [net/url.URL.Redacted] keeps the user, which may be a token, the query and the
// fragment.
//
// What is kept of a URL is its scheme, host, port and path. What isn't certain to
// be one of these is left out: a text that can't be parsed is [Placeholder].
package redact

import (
	"net/url"
	"strings"

	"github.com/modtap/modtap/internal/netaddr"
)

const (
	// Placeholder stands for a URL that can't be taken apart.
	Placeholder = "(URL)"
	// secret stands for a credential.
	secret = "(secret)"
)

// URL returns u without userinfo, query, fragment and opaque part. A URL whose
// path may hold userinfo, since a password with a slash in it ends the host, is
// [Placeholder]; a nil URL is empty.
func URL(u *url.URL) string {
	if u == nil {
		return ""
	}
	if u.Host == "" && (u.Scheme == "" || u.Opaque != "" || u.Path == "") || !isHost(u.Host) || hidesUser(u.Path) {
		return Placeholder
	}
	kept := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if path := withoutQuery(u.Path); path != u.Path {
		kept.Path, kept.RawPath = path, ""
	}
	return kept.String()
}

// withoutQuery returns a decoded path up to what was a query or a fragment before
// somebody escaped its mark: no path of the protocol has one.
func withoutQuery(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return path[:i]
	}
	return path
}

// Address returns a text that is meant to be a URL or an address, as a setting or
// a Location header is, without its secrets. It is [Placeholder] where the text
// may hold userinfo but isn't a URL.
func Address(text string) string {
	if !strings.Contains(text, "://") {
		if strings.ContainsAny(text, "@?#\\") || strings.Contains(text, "%") || isOpaque(text) {
			return Placeholder
		}
		return text
	}
	if isExample(text) {
		return text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" || strings.Contains(u.RawQuery, "@") || strings.Contains(u.Fragment, "@") {
		return Placeholder
	}
	return URL(u)
}

// isExample tells a scheme alone and grpc://HOST:PORT: so an error's cure says what
// to write.
func isExample(text string) bool {
	scheme, rest, _ := strings.Cut(text, "://")
	return isScheme(scheme) && (rest == "" || rest == "HOST:PORT")
}

// isOpaque tells a URL of the form scheme:rest from host:port and from a path.
func isOpaque(text string) bool {
	before, rest, ok := strings.Cut(text, ":")
	if !ok || !isScheme(before) {
		return false
	}
	port, _, _ := strings.Cut(rest, "/")
	return strings.TrimLeft(port, "0123456789") != ""
}

// isScheme tells what RFC 3986, section 3.1, calls a scheme.
func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isSchemeByte(c) || i == 0 && !isLetter(c) {
			return false
		}
	}
	return s != ""
}

func isSchemeByte(c byte) bool {
	return isLetter(c) || '0' <= c && c <= '9' || c == '+' || c == '.' || c == '-'
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// isHost tells whether host has only what a host and a port are made of. net/url
// takes more, such as the commas and quotes of a password.
func isHost(host string) bool {
	for _, r := range host {
		if !netaddr.IsNameRune(r) && !strings.ContainsRune(":[]%", r) {
			return false
		}
	}
	return true
}

// hidesUser tells whether a path has an @ that isn't the protocol's own, as in
// https://user:pass/word@host.
func hidesUser(path string) bool {
	for i := strings.IndexByte(path, '@'); i >= 0; {
		if !isProtocolAt(path, i) {
			return true
		}
		next := strings.IndexByte(path[i+1:], '@')
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

// isProtocolAt tells whether the @ at i is that of /@v/, /@latest or of a look-up
// in a checksum database (https://go.dev/ref/mod#goproxy-protocol,
// https://go.dev/ref/mod#checksum-database).
func isProtocolAt(s string, i int) bool {
	rest := s[i+1:]
	if len(rest) > 1 && rest[0] == 'v' && '0' <= rest[1] && rest[1] <= '9' {
		return strings.Contains(s[:i], "/lookup/") && !strings.ContainsAny(rest, "/@")
	}
	if i == 0 || s[i-1] != '/' {
		return false
	}
	return rest == "v" || strings.HasPrefix(rest, "v/") || strings.HasPrefix(rest, "latest") && !strings.Contains(rest, "@")
}
