// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"strconv"
	"strings"
)

// A compared request is sent to the origin twice, directly and through the
// forwarder. {host} is the address that it is sent to.
type compared struct {
	name    string
	request string
	answer  string
	http1   bool // can't be said in HTTP/2
}

const plain = "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jun 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"

func get(target string, lines ...string) string { return call("GET", target, lines...) }

func call(method, target string, lines ...string) string {
	return method + " " + target + " HTTP/1.1\r\n" + strings.Join(append([]string{"Host: {host}"}, lines...), "\r\n") + "\r\n\r\n"
}

func answer(status string, lines ...string) string {
	return "HTTP/1.1 " + status + "\r\n" + strings.Join(append([]string{"Date: Mon, 01 Jun 2026 10:00:00 GMT"}, lines...), "\r\n") + "\r\n\r\n"
}

const (
	zip     = "/github.com/!burnt!sushi/toml/@v/v1.3.2.zip"
	chunked = "Transfer-Encoding: chunked"
	ranges  = "--x\r\nContent-Range: bytes 0-0/10\r\n\r\na\r\n--x\r\nContent-Range: bytes 9-9/10\r\n\r\nz\r\n--x--\r\n"
	chunks  = "5\r\nhello\r\n6\r\n world\r\n0\r\n"
)

var comparedCases = []compared{
	{
		name:    "200 with a length",
		request: get(zip, "User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"),
		answer: answer("200 OK", "Content-Type: application/zip", "Content-Length: 5", `ETag: "abc"`, "Last-Modified: Mon, 01 Jan 2024 10:00:00 GMT",
			"Accept-Ranges: bytes", "Cache-Control: public, max-age=3600", "Vary: Accept", "Vary: Origin", "Set-Cookie: a=1", "Set-Cookie: b=2",
			"Server: origin/1", "Age: 7", "X-Cache: HIT", "Via: 1.1 cache", "X-Empty:", "x-lower: ÄÖ", "X-Long: "+strings.Repeat("x", 30<<10)) + "zip!\n",
	},
	{name: "HEAD with a length", request: call("HEAD", zip), answer: answer("200 OK", "Content-Type: application/zip", "Content-Length: 123456", `ETag: "abc"`)},
	{name: "HEAD without a length", request: call("HEAD", zip), answer: answer("200 OK", "Content-Type: application/zip")},
	{name: "HEAD of a missing file", request: call("HEAD", zip), answer: answer("404 Not Found", "Content-Type: text/plain", "Content-Length: 10")},
	{
		name: "range", request: get(zip, "Range: bytes=2-4"),
		answer: answer("206 Partial Content", "Content-Range: bytes 2-4/10", "Content-Length: 3", `ETag: "abc"`) + "llo",
	},
	{
		name: "several ranges", request: get(zip, "Range: bytes=0-0,-1"),
		answer: answer("206 Partial Content", "Content-Type: multipart/byteranges; boundary=x", "Content-Length: "+strconv.Itoa(len(ranges))) + ranges,
	},
	{name: "range that can't be", request: get(zip, "Range: bytes=99-"), answer: answer("416 Requested Range Not Satisfiable", "Content-Range: bytes */10", "Content-Length: 0")},
	{name: "not modified", request: get(zip, `If-None-Match: "abc"`), answer: answer("304 Not Modified", `ETag: "abc"`, "Cache-Control: no-cache")},
	{name: "not modified since", request: get(zip, "If-Modified-Since: Mon, 01 Jan 2024 10:00:00 GMT"), answer: answer("304 Not Modified", "Last-Modified: Mon, 01 Jan 2024 10:00:00 GMT")},
	{name: "not modified, with type and length", request: get(zip, `If-None-Match: "abc"`), answer: answer("304 Not Modified", `ETag: "abc"`, "Content-Type: application/zip", "Content-Length: 5")},
	{
		name: "range if unchanged", request: get(zip, "Range: bytes=2-", `If-Range: "abc"`),
		answer: answer("206 Partial Content", "Content-Range: bytes 2-4/5", "Content-Length: 3", `ETag: "abc"`) + "llo",
	},
	{name: "range if unchanged, but changed", request: get(zip, "Range: bytes=2-", `If-Range: "old"`), answer: plain},
	{name: "not found", request: get(zip), answer: answer("404 Not Found", "Content-Type: text/plain; charset=utf-8", "Content-Length: 22") + "not found: unknown re\n"},
	{name: "gone", request: get(zip), answer: answer("410 Gone", "Content-Type: text/plain", chunked) + chunks + "\r\n"},
	{name: "unauthorized", request: get(zip), answer: answer("401 Unauthorized", `WWW-Authenticate: Basic realm="x"`, "Content-Length: 0")},
	{name: "busy", request: get(zip), answer: answer("503 Service Unavailable", "Retry-After: 7", "Content-Length: 4") + "busy"},
	{name: "status that nobody knows", request: get(zip), answer: answer("599 Odd", "Content-Length: 3") + "odd"},
	{name: "redirect", request: get(zip), answer: answer("302 Found", "Location: https://storage.example/x?signature=1", "Content-Length: 0")},
	{name: "no content", request: get(zip), answer: answer("204 No Content", "X-A: b")},
	{name: "empty", request: get(zip), answer: answer("200 OK", "Content-Length: 0")},
	{name: "chunked", request: get(zip), answer: answer("200 OK", chunked) + chunks + "\r\n"},
	{name: "chunked, with extensions", request: get(zip), answer: answer("200 OK", chunked) + "5;a=b\r\nhello\r\n0;c\r\n\r\n"},
	{name: "chunked and empty", request: get(zip), answer: answer("200 OK", chunked) + "0\r\n\r\n"},
	{name: "announced trailers", request: get(zip), answer: answer("200 OK", chunked, "Trailer: X-Sum, X-Other") + chunks + "X-Sum: abc\r\nX-Other: 1\r\nX-Other: 2\r\n\r\n"},
	{name: "announced trailers that don't come", request: get(zip), answer: answer("200 OK", chunked, "Trailer: X-Sum") + chunks + "\r\n"},
	{name: "unannounced trailers", request: get(zip), answer: answer("200 OK", chunked) + chunks + "X-Sum: abc\r\n\r\n"},
	{name: "trailers, one announced", request: get(zip, "TE: trailers"), answer: answer("200 OK", chunked, "Trailer: X-Sum") + chunks + "X-Sum: abc\r\nX-Late: 1\r\n\r\n", http1: true},
	{name: "trailers behind nothing", request: get(zip), answer: answer("200 OK", chunked, "Trailer: X-Sum") + "0\r\nX-Sum: abc\r\n\r\n"},
	{
		name: "early hints", request: get(zip),
		answer: "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </b>; rel=preload\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </c>\r\n\r\n" + plain,
	},
	{name: "processing", request: get(zip), answer: "HTTP/1.1 102 Processing\r\n\r\n" + answer("404 Not Found", "Content-Length: 0")},
	{name: "nothing but a status", request: get(zip), answer: "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n<html>sniff</html"},
	{name: "compressed", request: get(zip, "Accept-Encoding: gzip"), answer: answer("200 OK", "Content-Encoding: gzip", "Content-Length: 4") + "\x1f\x8b\x08\x00"},
	{name: "compressed unasked", request: get(zip), answer: answer("200 OK", "Content-Encoding: gzip", chunked) + "4\r\n\x1f\x8b\x08\x00\r\n0\r\n\r\n"},
	{name: "answer that ends with the connection", request: get(zip), answer: answer("200 OK", "Connection: close") + "hello"},
	{name: "answer of HTTP/1.0", request: get(zip), answer: "HTTP/1.0 200 OK\r\nDate: Mon, 01 Jun 2026 10:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello"},
	{name: "reason phrase of its own", request: get(zip), answer: answer("404 Module Unknown", "Content-Length: 0")},
	{
		name: "headers of one connection", request: get(zip, "Connection: X-Hop, keep-alive", "X-Hop: 1", "Keep-Alive: 5", "Proxy-Authorization: Basic eA==", "Proxy-Connection: x", "Upgrade: h2c", "X-Stays: 1"),
		answer: answer("200 OK", "Connection: X-Answer-Hop, keep-alive", "X-Answer-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Upgrade: h2c", "X-Stays: 1", "Content-Length: 0"), http1: true,
	},
	{
		name: "headers of the client", request: get(zip, "Authorization: Basic eA==", "Cookie: a=1; b=2", "X-Multi: 1", "X-Multi: 2", "X-Empty:", "Accept: */*", "Forwarded: for=1.2.3.4",
			"X-Forwarded-For: 1.2.3.4", "Via: 1.0 elsewhere", "Cache-Control: no-cache", "Disable-Module-Fetch: true", "X-Utf8: ÄÖ"), answer: plain,
	},
	{name: "trace of the client", request: get(zip, "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate: vendor=1,modtap=root", "Modtap-Ci-System: gitlab", "Modtap-Ci-Job: build"), answer: plain},
	{name: "malformed trace of the client", request: get(zip, "Traceparent: 00-none", "Tracestate: vendor=1"), answer: plain},
	{name: "client of HTTP/1.0", request: "GET " + zip + " HTTP/1.0\r\nHost: {host}\r\n\r\n", answer: plain, http1: true},
	{name: "client of HTTP/1.0, unknown length", request: "GET " + zip + " HTTP/1.0\r\nHost: {host}\r\n\r\n", answer: answer("200 OK", "Connection: close") + "hello", http1: true},
	{name: "client that will close", request: get(zip, "Connection: close"), answer: plain, http1: true},
	{name: "GET with a body of length 0", request: get(zip, "Content-Length: 0"), answer: plain, http1: true},
	{name: "query", request: get("/a/@v/list?go-get=1&x=%2F+%20&&;y=|"), answer: plain},
	{name: "empty query", request: get("/a/@v/list?"), answer: plain},
	{name: "escaped capital letter", request: get("/github.com/%21burnt%21sushi/toml/@v/list"), answer: plain},
	{name: "escaped slash", request: get("/a%2fb%2Fc/@v/list"), answer: plain},
	{name: "double slash", request: get("//a//b//@v//list"), answer: plain},
	{name: "dots", request: get("/a/./b/../c/@v/list"), answer: plain},
	{name: "escaped letters", request: get("/%61%7e%C3%84+%20/@v/list"), answer: plain},
	{name: "letters that should be escaped", request: get("/a|b\"c<>^`{}\\ä%2Fd/@v/list"), answer: plain, http1: true},
	{name: "root", request: get("/"), answer: plain},
}

// documented is what a forwarder may change, over all cases; design.md 7.1 and
// README.md list it. In HTTP/1.1 the names of the first four lines are in Connection
// or are a connection's own.
var documented = []string{
	"answer framing: until close becomes chunked",
	"answer reason phrase",
	"answer: Connection removed",
	"answer: Keep-Alive removed",
	"answer: Proxy-Authenticate removed",
	"answer: Upgrade removed",
	"answer: X-Answer-Hop removed",
	"request: Connection removed",
	"request: Content-Length removed", // 0, of a GET
	"request: Forwarded removed",      // of a client that isn't trusted
	"request: Keep-Alive removed",
	"request: Modtap-Ci-Job removed", // and its kin
	"request: Modtap-Ci-System removed",
	"request: Proxy-Authorization removed",
	"request: Proxy-Connection removed",
	"request: Traceparent added",
	"request: Traceparent changed",
	"request: Tracestate changed", // modtap=root is for us
	"request: Tracestate removed",
	"request: Upgrade removed",
	"request: Via added",
	"request: Via changed",
	"request: X-Forwarded-For added",
	"request: X-Forwarded-For changed",
	"request: X-Forwarded-Host added",
	"request: X-Forwarded-Proto added",
	"request: X-Hop removed",
}
