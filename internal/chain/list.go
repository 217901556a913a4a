// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package chain walks a GOPROXY list exactly as the go command does and records
// each request that it sends. The rules are those of
// https://go.dev/ref/mod#environment-variables and of TryProxies in
// cmd/go/internal/modfetch: behind a comma the next element is asked after 404
// or 410 only, behind a pipe after any error, and of several errors the most
// telling one decides.
package chain

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/modtap/modtap/internal/netaddr"
	"github.com/modtap/modtap/internal/redact"
)

// Kind tells the elements of a GOPROXY list apart.
type Kind uint8

// The kinds of elements.
const (
	Proxy  Kind = iota // A module proxy at an http or https URL.
	Source             // "direct": version control.
	Off                // "off": nothing is asked any more.
	Folder             // A file URL: a folder in the layout of the protocol.
)

// Element is one element of a GOPROXY list.
type Element struct {
	Kind Kind
	// URL is the base of a proxy, where it may hold userinfo, or of a folder; nil for
	// the other kinds.
	URL *url.URL
	// OnError is true where a pipe follows: the next element is asked after any
	// error, not only after 404 and 410.
	OnError bool
}

// String returns the element without userinfo and query.
func (e Element) String() string {
	switch e.Kind {
	case Source:
		return "direct"
	case Off:
		return "off"
	}
	return redact.URL(e.URL)
}

// List is a GOPROXY list, in order. A parsed one is never empty.
type List []Element

// String returns the list in GOPROXY's syntax, without userinfo and query.
func (l List) String() string {
	var b strings.Builder
	for i, e := range l {
		if i > 0 {
			b.WriteByte(separator(l[i-1]))
		}
		b.WriteString(e.String())
	}
	return b.String()
}

func separator(e Element) byte {
	if e.OnError {
		return '|'
	}
	return ','
}

// Parse reads a GOPROXY list. Unlike the go command it doesn't guess a scheme:
// an element without one is an error that tells the cure. As there, nothing
// stands behind "direct" or "off", empty elements are skipped, and userinfo is
// not sent over plain HTTP, except to this machine.
func Parse(goproxy string) (List, error) {
	var l List
	var errs []error
	for rest := goproxy; rest != ""; {
		text, onError := rest, false
		if i := strings.IndexAny(rest, ",|"); i >= 0 {
			text, onError, rest = rest[:i], rest[i] == '|', rest[i+1:]
		} else {
			rest = ""
		}
		text = strings.TrimSpace(text)
		switch text {
		case "":
			continue
		case "direct":
			return append(l, Element{Kind: Source}), errors.Join(errs...)
		case "off":
			return append(l, Element{Kind: Off}), errors.Join(errs...)
		}
		u, err := parseURL(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("GOPROXY list: %w", err))
			continue
		}
		e := Element{URL: u, OnError: onError}
		if u.Scheme == "file" {
			e.Kind = Folder
		}
		l = append(l, e)
	}
	if len(errs) == 0 && len(l) == 0 {
		return nil, errors.New("GOPROXY list: no elements; write for example https://proxy.example.com,direct")
	}
	return l, errors.Join(errs...)
}

func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" && !strings.Contains(text, ":/") {
		// host:port reads as scheme host, or not at all. The text of url's error
		// holds the userinfo.
		if !strings.Contains(text, ":/") {
			return nil, noScheme(text)
		}
		return nil, fmt.Errorf("invalid element %q: not a URL; part the elements by a comma or a pipe, and write %%XX for special characters", redact.Address(text))
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return nil, fmt.Errorf("invalid element %q: has no host", redact.Address(text))
		}
		if err := netaddr.CheckHost(u); err != nil {
			return nil, fmt.Errorf("invalid element %q: %w; part the elements by a comma or a pipe", redact.Address(text), err)
		}
		if u.Scheme == "http" && u.User != nil && !netaddr.IsLoopback(u.Hostname()) {
			return nil, fmt.Errorf("invalid element %q: credentials over plain http, which the go command refuses; write https", redact.URL(u))
		}
	case "file":
		if *u != (url.URL{Scheme: u.Scheme, Path: u.Path, RawPath: u.RawPath}) || !strings.HasPrefix(u.Path, "/") {
			return nil, fmt.Errorf("invalid element %q: a file URL has a path and nothing else; write file:///path", redact.Address(text))
		}
	case "":
		return nil, noScheme(text)
	default:
		return nil, fmt.Errorf("invalid element %q: scheme is none of http, https, file", redact.Address(text))
	}
	return u, nil
}

func noScheme(text string) error {
	shown := redact.Address(text)
	if shown == redact.Placeholder {
		return fmt.Errorf("invalid element %q: has no scheme; write https:// before it", shown)
	}
	return fmt.Errorf("invalid element %q: has no scheme; write https://%s", shown, strings.TrimLeft(shown, "/"))
}

// Without leaves out the elements that are one of the given listen addresses
// (host:port; an empty or unspecified host is every address of this machine) or
// [Place]s, and names them. A proxy that asks itself would never come to an end.
func (l List) Without(own []string) (rest List, left []string) {
	for _, e := range l {
		if e.Kind == Proxy && slices.ContainsFunc(own, func(a string) bool { return isAt(e.URL, a) }) {
			left = append(left, e.String())
			continue
		}
		rest = append(rest, e)
	}
	return rest, left
}

// Place is where the proxy at u is, for [List.Without]: its host:port and base path.
// Behind one address there may be several proxies.
func Place(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), portOf(u)) + "/" + strings.Trim(u.Path, "/")
}

func isAt(u *url.URL, place string) bool {
	listen, base, based := strings.Cut(place, "/")
	if based && base != strings.Trim(u.Path, "/") {
		return false
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil || u.Host == "" || port != portOf(u) {
		return false
	}
	name := strings.ToLower(u.Hostname())
	if strings.EqualFold(host, name) {
		return true
	}
	if host == "" || netaddr.IsUnspecified(host) {
		return isThisMachine(name)
	}
	return netaddr.IsLoopback(host) && (netaddr.IsLoopback(name) || netaddr.IsUnspecified(name))
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	switch u.Scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// isThisMachine asks no name service: names other than localhost are compared
// with the machine's own.
func isThisMachine(host string) bool {
	if netaddr.IsLoopback(host) || netaddr.IsUnspecified(host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		own, err := os.Hostname()
		return err == nil && strings.EqualFold(own, host)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip.AsSlice())
	})
}
