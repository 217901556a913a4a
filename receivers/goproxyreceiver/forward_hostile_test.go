// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"

// suiteSmuggling: requests whose end is a matter of opinion (RFC 9112, section
// 11.2). The origin must not see a second one, nor what is malformed.
func suiteSmuggling(t *testing.T, start forwarderStart) {
	const head = "GET /first HTTP/1.1\r\nHost: {host}\r\n"
	origin := rawOrigin(t, plain)
	base := start(t, origin.url)
	for name, raw := range map[string]string{
		"two lengths":                    head + "Content-Length: 0\r\nContent-Length: 41\r\n\r\n" + smuggled,
		"a list of lengths":              head + "Content-Length: 0, 41\r\n\r\n" + smuggled,
		"signed length":                  head + "Content-Length: +0\r\n\r\n" + smuggled,
		"negative length":                head + "Content-Length: -1\r\n\r\n" + smuggled,
		"hexadecimal length":             head + "Content-Length: 0x29\r\n\r\n" + smuggled,
		"length and chunked":             head + "Content-Length: 46\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"chunked and length":             head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"chunked twice":                  head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"chunked and identity":           head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled,
		"nearly chunked":                 head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"chunked with a control":         head + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"folded chunked":                 head + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"folded header":                  head + "X-A: 1\r\n Content-Length: 41\r\nConnection: close\r\n\r\n",
		"bare CR in a value":             head + "X-A: 1\rContent-Length: 41\r\n\r\n" + smuggled,
		"bare CR at a line's end":        head + "X-A: 1\r\r\n\r\n" + smuggled,
		"bare CR in a name":              head + "X-\rA: 1\r\n\r\n" + smuggled,
		"bare LF and another header":     head + "X-A: 1\nConnection: close\r\n\r\n" + smuggled,
		"NUL":                            head + "X-A: 1\x00\r\n\r\n" + smuggled,
		"space before the colon":         head + "Content-Length : 41\r\n\r\n" + smuggled,
		"tab before the colon":           head + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"space before the first header":  "GET /first HTTP/1.1\r\n Host: {host}\r\nContent-Length: 41\r\n\r\n" + smuggled,
		"header without a colon":         head + "Content-Length\r\n\r\n" + smuggled,
		"empty name":                     head + ": 41\r\n\r\n" + smuggled,
		"chunk of a signed size":         head + "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + smuggled,
		"chunk of a huge size":           head + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + smuggled,
		"chunk of another size":          head + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + smuggled,
		"two hosts":                      head + "Host: other\r\n\r\n" + smuggled,
		"no host":                        "GET /first HTTP/1.1\r\n\r\n" + smuggled,
		"host of two words":              "GET /first HTTP/1.1\r\nHost: a b\r\n\r\n" + smuggled,
		"space in the target":            "GET /first HTTP/1.1\r\nX: /smuggled HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
		"version in the target":          "GET /first HTTP/1.1 HTTP/1.1\r\nHost: {host}\r\n\r\n" + smuggled,
		"HTTP/0.9":                       "GET /first\r\n\r\n" + smuggled,
		"HTTP/2 without TLS":             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + smuggled,
		"connection that names a length": head + "Connection: close, Content-Length\r\nContent-Length: 41\r\n\r\n" + smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			before := len(origin.seen())
			c := dial(t, base)
			defer c.Close()
			write(t, c, base, raw)
			require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
			got, _ := io.ReadAll(c)
			requests := origin.seen()[before:]
			assert.LessOrEqual(t, len(requests), 1)
			for _, r := range requests {
				assert.Equal(t, "GET /first", r.line)
			}
			assert.LessOrEqual(t, strings.Count(string(got), "HTTP/1.1 200"), len(requests))
			assert.Empty(t, origin.malformed())
		})
	}
}

// suiteRefused: what isn't asked of a module proxy stays here.
func suiteRefused(t *testing.T, start forwarderStart) {
	origin := rawOrigin(t, plain)
	base := start(t, origin.url)
	for _, c := range []struct {
		name, raw string
		code      int
	}{
		{"CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", http.StatusMethodNotAllowed},
		{"absolute form", "GET http://example.com/x HTTP/1.1\r\nHost: example.com\r\n\r\n", http.StatusBadRequest},
		{"absolute form of our own", "GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", http.StatusBadRequest},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n", http.StatusBadRequest},
		{"OPTIONS", call("OPTIONS", zip), http.StatusMethodNotAllowed},
		{"POST", call("POST", zip, "Content-Length: 5") + "hello", http.StatusMethodNotAllowed},
		{"POST that expects to continue", call("POST", zip, "Content-Length: 5", "Expect: 100-continue"), http.StatusMethodNotAllowed},
		{"PUT", call("PUT", zip, chunked) + chunks + "\r\n", http.StatusMethodNotAllowed},
		{"DELETE", call("DELETE", zip), http.StatusMethodNotAllowed},
		{"TRACE", call("TRACE", zip), http.StatusMethodNotAllowed},
		{"a method of its own", call("BREW", zip), http.StatusMethodNotAllowed},
		{"header too large", get(zip, "X-Long: "+strings.Repeat("x", 80<<10)), http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, base, c.raw)
			assert.Equal(t, c.code, a.code)
			assert.NotEmpty(t, a.body, "it says why")
			assert.Equal(t, c.code == http.StatusMethodNotAllowed, a.header.Get("Allow") != "")
		})
	}
	assert.Empty(t, origin.seen())
	assert.Zero(t, origin.connections())

	t.Run("loop", func(t *testing.T) {
		assert.Equal(t, http.StatusOK, ask(t, base, get(zip, "Via: 1.1 elsewhere")).code, "another proxy's Via is none")
		via := origin.seen()[0].header["Via"]
		assert.Equal(t, http.StatusLoopDetected, ask(t, base, get(zip, "Via: "+strings.Join(via, ", "))).code)
		assert.Equal(t, http.StatusLoopDetected, ask(t, base, get(zip, "Via: 1.1 elsewhere", "Via: "+via[len(via)-1]+", 1.1 other")).code)
		assert.Len(t, origin.seen(), 1)
	})
}

// suiteBasePath: the upstream's own path stands before the request's.
func suiteBasePath(t *testing.T, start forwarderStart) {
	for _, c := range []struct{ base, target, want string }{
		{"/", zip, zip},
		{"/api/go/repo", "/a/@v/list?x=1", "/api/go/repo/a/@v/list?x=1"},
		{"/api/go/repo/", "/a/@v/list", "/api/go/repo/a/@v/list"},
		{"/my%20repo%2Fgo", "/%21a/b%2Fc", "/my%20repo%2Fgo/%21a/b%2Fc"},
		{"/repo", "//a|b", "/repo//a|b"},
		{"/", "//a|b%2Fc", "//a%7Cb%2Fc"},
	} {
		t.Run(c.base, func(t *testing.T) {
			origin := startOrigin(t, func(conn net.Conn, _ received) { send(conn, plain) })
			assert.Equal(t, http.StatusOK, ask(t, start(t, origin.url+c.base), get(c.target)).code)
			require.Len(t, origin.seen(), 1)
			assert.Equal(t, "GET "+c.want, origin.seen()[0].line)
		})
	}
}
