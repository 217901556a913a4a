// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostileAnswer makes the bytes with which an origin answers a GET, hardly ever as RFC 9112 wants it.
func hostileAnswer(r *rand.Rand) string {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	var b strings.Builder
	for range max(0, r.IntN(12)-8) * r.IntN(8) {
		b.WriteString(oneOf(r, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 199 X\r\nConnection: Content-Length\r\n\r\n"))
	}
	eol := seldom(r, "\r\n", "\n", "\r", "\r\r\n")
	b.WriteString(seldom(r, "HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 200", "HTTP/1.1  200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 X", "HTTP/1.1 999 X", "HTTP/1.1 -20 X", "HTTP/0.9 200 OK", "HTTP/2.0 200 OK", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade",
		"HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified", "HTTP/1.1 205 Reset Content", "HTTP/1.1 206 Partial Content", "HTTP/1.1 404 Not Found", "HTTP/1.1 500 X", "200 OK", "hello", "HTTP/1.1\t200 OK", " HTTP/1.1 200 OK", "\r\nHTTP/1.1 200 OK", "HTTP/1.1 200 \x00", "HTTP/1.1 100 X", "ICY 200 OK"))
	b.WriteString(eol)
	for range r.IntN(3) {
		switch r.IntN(6) {
		case 0, 1:
			b.WriteString(oneOf(r, "Content-Length: 5", "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6", "Content-Length: +5", "Content-Length: -5", "Content-Length: 0x5", "Content-Length: 5, 5", "Content-Length : 5", "Content-Length: 4", "Content-Length: 6", "Content-Length: 0", "Content-Length:", "Content-Length: 99999999999999999999", " Content-Length: 5", "X: 1\r\n Content-Length: 5"))
		case 2, 3:
			b.WriteString("Transfer-Encoding" + seldom(r, ": ", " : ", ":\r\n ", ":\t") + oneOf(r, encodings...))
		case 4:
			b.WriteString(oneOf(r, "Connection: close", "Connection: keep-alive", "Connection: Content-Length", "Connection: Transfer-Encoding, Content-Type", "Upgrade: h2c", "Trailer: Content-Length", "Proxy-Authenticate: Basic", "Content-Encoding: gzip", "Keep-Alive: timeout=0", "Connection: X-A\r\nX-A: 1"))
		case 5:
			b.WriteString(oneOf(r, "X-A: \x00", "X-A: a\rb", "X-A", ": x", "X A: 1", "X-A: 1\r\n folded", "X-\x00: 1", "X-A: "+strings.Repeat("x", 70<<10), strings.Repeat("X-A: 1\r\n", 3000)+"X-B: 1", "X-A: é\xff", "Set-Cookie: a=1\r\nSet-Cookie: b=2"))
		}
		b.WriteString(eol)
	}
	b.WriteString(eol)
	b.WriteString(oneOf(r, "hello", "hello", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", "5;x\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n", "5\r\nhelloXX0\r\n\r\n", "fffffffffffffffff\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n", "5\r\nhello\r\n0\r\nX\r\n\r\n", "5\r\nhel", "hel", "", "0\r\n\r\n", strings.Repeat("x", 40<<10)))
	if r.IntN(3) == 0 {
		b.WriteString(evil)
	}
	return b.String()
}

// hostileOrigin answers /hostile with the bytes that are current, and the rest honestly.
type hostileOrigin struct{ current atomic.Pointer[string] }

func (h *hostileOrigin) answer(c net.Conn, r received) {
	if r.line != "GET /hostile/@v/list" {
		echo(c, r)
		return
	}
	raw := *h.current.Load()
	_, _ = io.WriteString(c, raw)
	if len(raw)%3 > 0 { // else it stays, as if all were well
		_ = c.Close()
	}
}

// exchanged is what a client read on a connection: whole answers only.
type exchanged struct {
	code int
	body string
	line string
}

// asks sends requests one after the other on a connection and reads as many answers as are whole.
func (f *front) asks(t testing.TB, silence time.Duration, targets ...string) (all []exchanged) {
	t.Helper()
	c := dial(t, f.url)
	defer c.Close()
	br := bufio.NewReader(c)
	for _, target := range targets {
		require.NoError(t, c.SetDeadline(time.Now().Add(silence)))
		if _, err := io.WriteString(c, "GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return all
		}
		for {
			resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet})
			if err != nil {
				return all
			}
			if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
				_ = resp.Body.Close()
				continue
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				return all
			}
			all = append(all, exchanged{resp.StatusCode, string(body), lineOf(resp.Header)})
			break
		}
	}
	return all
}

// TestDifferentialOfAnswers: whatever an origin answers, the next request gets its own answer, and Modtap delivers what ReverseProxy
// delivers or refuses it.
func TestDifferentialOfAnswers(t *testing.T) {
	log.SetOutput(io.Discard) // net/http says there what came behind an answer
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	const inputs = 300
	t.Logf("seed %d, %d inputs", seed, inputs)
	var origins [2]hostileOrigin
	fronts := [2]*front{modtapFront(t, origins[0].answer, false), goFront(t, origins[1].answer, false)}
	random := rand.New(rand.NewPCG(seed, 7))
	delivered := 0
	for range inputs {
		raw := hostileAnswer(random)
		var first [2][]exchanged
		judge := func(silence time.Duration) string {
			for i, f := range fronts {
				origins[i].current.Store(&raw)
				first[i] = f.asks(t, silence, "/hostile/@v/list", "/clean/@v/list")
			}
			again := fronts[0].asks(t, 2*soon, "/again/@v/list") // over a connection to the origin that may be the same
			switch ours, goes := first[0], first[1]; {
			case len(again) != 1 || again[0].line != "GET /again/@v/list" || again[0].body != again[0].line:
				return "another client's answer is not its own"
			case len(ours) > 1 && (ours[1].line != "GET /clean/@v/list" || ours[1].body != ours[1].line):
				return "the next answer is not its own"
			case len(ours) == 0 || ours[0].code >= http.StatusInternalServerError:
				return "" // refused
			case strings.Contains(raw, "HTTP/1.1 100 "): // ReverseProxy passes it on, and then no answer may follow
				return ""
			case len(goes) == 0 || goes[0].code >= http.StatusInternalServerError && goes[0].code != ours[0].code:
				return "only Modtap delivers it"
			case ours[0] != goes[0]:
				return "Modtap delivers something else"
			}
			delivered++
			return ""
		}
		if judge(patience) != "" {
			if fault := judge(soon); fault != "" {
				t.Errorf("%s\norigin's answer %.600q\nModtap %.300s\nReverseProxy %.300s", fault, raw, fmt.Sprintf("%#v", first[0]), fmt.Sprintf("%#v", first[1]))
			}
		}
	}
	assert.Greater(t, delivered, inputs/10, "answers that are HTTP are delivered")
}
