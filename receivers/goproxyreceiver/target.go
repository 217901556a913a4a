// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/redact"
)

// basePath is where the proxy beside us is mounted: its URL's path as it is written,
// without a slash at its end.
func basePath(upstream *url.URL) string { return strings.TrimSuffix(upstream.EscapedPath(), "/") }

// written is a request's path as it was written.
func written(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path
}

// leavesBase tells whether the path could lead out of the upstream's base, or use
// its credentials where they weren't meant for: whoever resolves dot segments there
// may decode before it, once or twice.
func (f *forwarder) leavesBase(r *http.Request) bool {
	return (f.base != "" || f.upstream.User != nil) && goproxy.Fold(written(r)).Dots
}

// target is the upstream's URL for a request's. The path stays as it was written,
// even if net/url would write it differently: then it is opaque to net/url. Only
// where it can't be, as it begins with two slashes, what no URL may have is escaped.
func (f *forwarder) target(r *http.Request) *url.URL {
	t := *r.URL
	t.Scheme, t.Host, t.User = f.upstream.Scheme, f.upstream.Host, nil
	if f.base != "" {
		t.RawPath = f.base + r.URL.EscapedPath()
		t.Path = strings.TrimSuffix(f.upstream.Path, "/") + r.URL.Path
	}
	path := written(r)
	if path == r.URL.EscapedPath() {
		return &t
	}
	switch opaque := f.base + path; {
	case f.absolute:
		t.Opaque = "//" + f.upstream.Host + opaque // with the scheme, says net/url
	case strings.HasPrefix(opaque, "//"): // net/url would take it for a host's
		t.RawPath = validPath(opaque)
	default:
		t.Opaque = opaque
	}
	return &t
}

// viaProxy tells whether requests to upstream go to an HTTP proxy, which is to be
// sent the absolute form (RFC 9112, section 3.2.2): the origin form is for what the
// proxy itself serves. Through a tunnel or SOCKS it is the upstream that reads it.
func viaProxy(upstream *url.URL, proxy func(*http.Request) (*url.URL, error)) bool {
	if upstream.Scheme != "http" {
		return false
	}
	u, err := proxy(&http.Request{URL: upstream})
	return err == nil && u != nil && (u.Scheme == "http" || u.Scheme == "https")
}

// recorded is the URL that was asked, as it may be told.
func (f *forwarder) recorded(r *http.Request) string {
	return redact.URL(&url.URL{
		Scheme: f.upstream.Scheme, Host: f.upstream.Host,
		Path:    strings.TrimSuffix(f.upstream.Path, "/") + r.URL.Path,
		RawPath: f.base + validPath(written(r)),
	})
}

// validPath is a path with what can't stand in a URL percent-encoded (RFC 3986,
// section 3.3), and all else as it is.
func validPath(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	kept := 0
	for i := range len(path) {
		c := path[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/%-._~!$&'()*+,;=:@", c) >= 0 {
			continue
		}
		b.WriteString(path[kept:i])
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		kept = i + 1
	}
	if kept == 0 {
		return path
	}
	return b.String() + path[kept:]
}
