// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"net/url"
	"strings"
)

// mixUps are what an attempt comes to where the peer speaks another protocol than it is spoken to in: what the error says, the
// scheme that was used, empty for any, and what to write instead.
var mixUps = []struct{ says, scheme, cure string }{
	// The first bytes are a SETTINGS frame (RFC 9113, section 3.4): HTTP/2 without TLS, which gRPC is.
	{`malformed HTTP response "\x00\x00`, "http", "it speaks gRPC: write grpc://HOST"},
	// The same, where the frame came before the request was written: net/http's error for a server that speaks first.
	{"readLoopPeekFailLocked", "http", "it speaks before it is asked, as gRPC does: write grpc://HOST then"},
	// The first bytes are a TLS alert (RFC 8446, section 5.1).
	{`malformed HTTP response "\x15\x03`, "http", "it speaks TLS: write https://HOST"},
	{"HTTP request to an HTTPS server", "http", "it speaks TLS: write https://HOST"},
	{"plain HTTP request was sent to HTTPS port", "http", "it speaks TLS: write https://HOST"},
	{"server gave HTTP response to HTTPS client", "https", "it speaks no TLS: write http://HOST"},
	{"first record does not look like a TLS handshake", "https", "it speaks no TLS: write http://HOST, or grpc://HOST if it speaks gRPC"},
	{"first record does not look like a TLS handshake", "grpcs", "it speaks no TLS: write grpc://HOST"},
	{"looked like an HTTP/1.1 header", "grpc", "it speaks HTTP/1.1: write http://HOST"},
	{"looked like an HTTP/1.1 header", "grpcs", "it speaks HTTP/1.1: write https://HOST"},
	{"unexpected HTTP status code", "grpc", "it speaks HTTP without gRPC: write http://HOST"},
	// It closed or reset the connection where a SETTINGS frame was due: a server of TLS does, but not only one.
	{"error reading server preface", "grpc", "it may speak TLS: write grpcs://HOST then"},
}

// Cure says what to change where an error shows that the peer at an address speaks another protocol; empty if it doesn't.
func Cure(text string, at *url.URL) string {
	for _, m := range mixUps {
		if (m.scheme == "" || m.scheme == at.Scheme) && strings.Contains(text, m.says) {
			return strings.ReplaceAll(m.cure, "HOST", at.Host)
		}
	}
	return ""
}
