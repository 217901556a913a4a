// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"

	"github.com/modtap/modtap/internal/exchange"
)

// trouble are texts by which a proxy says in a 404 or 410 that it couldn't find out:
// what it asks failed. The go command takes such an answer for "not found" and asks the
// next proxy, or builds without. None of them can be part of a module path or version:
// those have no spaces (https://go.dev/ref/mod#module-path).
//
// That a host's name or a repository isn't known proves nothing: those may be what isn't
// there.
var trouble = []struct {
	text string
	word string // of error.type
}{
	// proxy.golang.org (https://go.dev/issue/57185), and goproxy v0.20.0's errFetchTimedOut.
	{"fetch timed out", exchange.ErrorTimeout},
	// goproxy v0.20.0's errBadUpstream: its upstream answered 429, 500, 502 or 503.
	{"bad upstream", exchange.ErrorBadUpstream},
	// What the go command says of a host or of another proxy, and proxies that run it
	// pass on: package net's, net/http's and crypto/tls' errors, and git's.
	{"i/o timeout", exchange.ErrorTimeout},
	{"TLS handshake timeout", exchange.ErrorTimeout},
	{"context deadline exceeded", exchange.ErrorTimeout},
	{"timeout awaiting response headers", exchange.ErrorTimeout},
	{"Connection timed out", exchange.ErrorTimeout},
	{"connection timed out", exchange.ErrorTimeout},
	{"connection refused", exchange.ErrorRefused},
	{"Connection refused", exchange.ErrorRefused},
	{"connection reset by peer", exchange.ErrorReset},
	{"Connection reset by peer", exchange.ErrorReset},
	{"500 Internal Server Error", "500"},
	{"502 Bad Gateway", "502"},
	{"503 Service Unavailable", "503"},
	{"504 Gateway Timeout", exchange.ErrorTimeout},
}

// troubleOf returns the error.type word of a "not found" whose text says that it is
// none. Empty: it says nothing of the kind.
func troubleOf(e *exchange.End) string {
	for _, t := range trouble {
		if bytes.Contains(e.Answer, []byte(t.text)) {
			return t.word
		}
	}
	return ""
}
