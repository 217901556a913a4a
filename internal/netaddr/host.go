// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package netaddr

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// CheckHost returns an error for a URL whose host can't be one: net/url takes a
// semicolon, a quote or port 70000, and every request would fail. Letters of other
// scripts are a name's (RFC 5891), and a dollar sign is left to who resolves it: it
// may have been meant for a shell. The error quotes nothing of the URL, in which a
// password may have gone astray.
func CheckHost(u *url.URL) error {
	name := u.Hostname()
	if _, err := netip.ParseAddr(name); err != nil && !isName(name) {
		return errors.New("names no host: a host has letters, digits, dots and hyphens")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("has a port that isn't between 1 and 65535")
		}
	}
	return nil
}

func isName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !IsNameRune(r) })
}

// IsNameRune tells whether the name of a host may have r, written for people (RFC 3987,
// section 2.2, of an IRI) or for the wire: of all that net/url takes (RFC 3986, section
// 3.2.2, sub-delims) only the $ of placeholders. It is the only set of such characters.
func IsNameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune(".-_$", r)
}

// another is where a second element of a list begins, or an empty one that ends it.
var another = regexp.MustCompile(`[,|;\s]\s*((direct|off)\s*([,|;]|$)|[A-Za-z][A-Za-z0-9+.-]*://|$)`)

// IsList tells whether a text that should be one URL is a list of them, such as a GOPROXY
// list, or a word of one; u is what it parses as, or nil. A separator in the userinfo or
// the path makes no list.
func IsList(text string, u *url.URL) bool {
	return text == "direct" || text == "off" || another.MatchString(text) || u != nil && strings.ContainsAny(u.Host, ",|;")
}
