// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// oneOf draws one.
func oneOf(r *rand.Rand, all ...string) string { return all[r.IntN(len(all))] }

// seldom returns usual 29 times of 30: an input with one fault goes further than one with five.
func seldom(r *rand.Rand, usual string, all ...string) string {
	if r.IntN(30) > 0 {
		return usual
	}
	return oneOf(r, all...)
}

// hostileRequests makes one to three requests on a connection, hardly one of them as RFC 9112 wants it, and an honest last one.
func hostileRequests(r *rand.Rand) string {
	var b strings.Builder
	for i := range 1 + r.IntN(3) {
		b.WriteString(hostileRequest(r, i))
	}
	b.WriteString("GET /last/@v/list HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
	return b.String()
}

func hostileRequest(r *rand.Rand, n int) string {
	lines := []string{
		seldom(r, "GET", "HEAD", "POST", "PUT", "get", "BREW", "CONNECT", "TRACE", "OPTIONS", "PRI", "G\x00T", "", "GET\t", " GET", "GÉT") +
			seldom(r, " ", "  ", "\t", "") +
			seldom(r, fmt.Sprintf("/m%d/@v/list", n), hostileTargets(n)...) +
			seldom(r, " ", "  ", "\t", " \r", "") +
			seldom(r, "HTTP/1.1", "HTTP/1.0", "", "http/1.1", "HTTP/1.2", "HTTP/2.0", "HTTP/1.1 ", "HTTP/01.1", "HTTP/1.1 HTTP/1.1", "HTTP/3"),
		seldom(r, "Host: {host}", "", "Host: a b", "Host: {host}\r\nHost: other", "Host:", "Host : {host}", " Host: {host}", "Host: x@{host}", "Host: {host}\x00", "Host: /"),
	}
	for range max(0, r.IntN(5)-1) {
		lines = append(lines, hostileHeader(r))
	}
	eol := seldom(r, "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\x00\r\n")
	return sizes.Replace(strings.Join(lines, eol) + eol + eol + hostileBody(r))
}

func hostileTargets(n int) []string {
	path := fmt.Sprintf("/m%d/@v/list", n)
	return []string{
		"http://{host}" + path, "http://other" + path, "https://{host}" + path, "//other" + path, "{host}" + path, "*", "{host}:80", "", path + "\x00", path + "\x7f",
		path + "é", path + "\xff", path + "%00", path + "%0d%0aX:%201", path + "%20HTTP/1.1", path + "?a=b\rc", path + "#x", path + " x", "\\" + path, path + "|\"<>\\^`{}",
		"/../m" + path, "/%2e%2e" + path, "/.//" + path, path + "%", path + "%zz", "?" + path, "/;" + path, path + strings.Repeat("/x", 3000), "/%2f" + path,
	}
}

// lengths and encodings are values of the two headers that say where a body ends.
var (
	lengths = []string{
		"0", "5", "{n}", "+0", "+{n}", "-1", "-0", "0x2c", "{n}, {n}", "0, {n}", "{n},0", "{n} ", " {n}", "\t{n}", "4 4", "", "0{n}", "1e2", "{n};x", "{n}\x00", "４４", "4_4", "99999999999999999999", "18446744073709551616", "\x0b{n}", "{n}.0",
	}
	encodings = []string{
		"chunked", "Chunked", "CHUNKED", "chunked, identity", "identity, chunked", "gzip, chunked", "chunked, chunked", "xchunked", "chunkedx", "chunked;q=1", `"chunked"`, "identity", "gzip", "", ",chunked", "chunked,",
		"\x0bchunked", "\x0cchunked", "chunked\x00", "\x00chunked", "chun\tked", " chunked", "chunked ", "\tchunked", "trailers", "c\u212aunked", "ſhunked",
	}
)

func hostileHeader(r *rand.Rand) string {
	length, encoding := oneOf(r, "Content-Length", "content-length", "Content-Length ", "Content-Length\t", " Content-Length", "Content_Length", "Content-Length\x00", "\x00Content-Length", "Content-Length\r", "X: 1\r\n Content-Length", "X: 1\rContent-Length", "X: 1\nContent-Length", "Content Length", "Content-Length:", "Ｃontent-Length"),
		oneOf(r, "Transfer-Encoding", "transfer-encoding", "Transfer-Encoding ", "Transfer-Encoding\t", " Transfer-Encoding", "Transfer_Encoding", "Transfer-Encoding\x00", "X: 1\r\n Transfer-Encoding", "X: 1\rTransfer-Encoding", "X: 1\nTransfer-Encoding", "Transfer-\nEncoding", "TrAnSfEr-EnCoDiNg")
	if r.IntN(4) > 0 {
		length, encoding = "Content-Length", "Transfer-Encoding"
	}
	switch r.IntN(8) {
	case 0, 1:
		return length + seldom(r, ": ", ":", ":\r\n ", ":\t", " : ", "", ": \r\n\t") + oneOf(r, lengths...)
	case 2, 3:
		return encoding + seldom(r, ": ", ":", ":\r\n ", ":\t", " : ", "", ": \r\n\t") + oneOf(r, encodings...)
	case 4:
		return oneOf(r, "Connection", "Proxy-Connection", "Keep-Alive") + ": " +
			oneOf(r, "close", "keep-alive", "Content-Length", "Transfer-Encoding", "Host", "Via", "close, Content-Length", "upgrade", "TE", "keep-alive, close", "Upgrade, HTTP2-Settings", ",", "\x00", "Traceparent", "X-Line")
	case 5:
		return oneOf(r, "Upgrade: websocket", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "Upgrade: TLS/1.0", "Expect: 100-continue", "Expect: x", "Expect: 100-Continue, x", "TE: trailers", "TE: chunked", "Trailer: Content-Length", "Trailer: X-A")
	case 6:
		return oneOf(r, "X-A: 1\r\n\tfolded", "X-A: \x00", "X-A: \r", "X-A: a\rb", "X-\x00A: 1", "X A: 1", ": 1", "X-A", "X-A: é\xff", "X(A): 1", "X-A: "+strings.Repeat("x", 5000), "X-Method-Override: POST", "X-Http-Method: DELETE", "X-Original-Url: /smuggled", "X-Rewrite-Url: /smuggled", "Via: 1.1 x", "Forwarded: host=x\r\nForwarded: y")
	}
	return oneOf(r, "Range: bytes=0-1", "Accept-Encoding: gzip", "User-Agent: x", "If-None-Match: *", "Content-Type: text/plain", "Content-Encoding: gzip", "Cache-Control: no-cache", "Max-Forwards: 0", "Cookie: a=b; a=c")
}

// within is what is smuggled, in a body that ends where only one of two readers thinks that it does.
const within = "GET /smuggled/@v/list HTTP/1.1\r\nHost: x\r\n\r\n"

// sizes writes the length of within, decimal and as that of a chunk.
var sizes = strings.NewReplacer("{n}", strconv.Itoa(len(within)), "{x}", strconv.FormatInt(int64(len(within)), 16))

func hostileBody(r *rand.Rand) string {
	switch r.IntN(10) {
	case 0:
		return "hello"
	case 1:
		return within
	case 2:
		return "0\r\n\r\n" + within
	case 3:
		return oneOf(r, "5", "05", "+5", "0x5", "5 ", " 5", "5;ext", "5;ext=\"\r\n\"", "5;\n", "5\r", "\x005", "-1", "ffffffffffffffff", "10000000000000005", "5,5", "") +
			oneOf(r, "\r\n", "\n", "\r", "\r\r\n") + "hello" + oneOf(r, "\r\n", "\n", "", "XX", "\r") +
			oneOf(r, "0\r\n\r\n", "0\n\n", "00\r\n\r\n", "0;x\r\n\r\n", "0\r\nX-A: 1\r\n\r\n", "0\r\nContent-Length: {n}\r\n\r\n", "0\r\nX-A\r\n\r\n", "0\r\n", "-0\r\n\r\n", "0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") + within
	case 4:
		return "{x}\r\n" + within + "\r\n0\r\n\r\n"
	}
	return ""
}
