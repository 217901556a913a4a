// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// field is a header field of HTTP/2; nothing checks it before it is sent.
type field struct{ name, value string }

// The frames that are sent and read (RFC 9113, section 6).
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway, frameContinuation = 0, 1, 3, 4, 6, 7, 9

	flagEndStream, flagAck, flagEndHeaders = 1, 1, 4
)

func frame(kind, flags byte, stream uint32, payload string) string {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return string(binary.BigEndian.AppendUint32(head, stream)) + payload
}

// hpack writes fields as literals that nobody remembers (RFC 7541, section 6.2.2).
func hpack(fields []field) string {
	var b strings.Builder
	text := func(s string) {
		if n := len(s); n < 127 {
			b.WriteByte(byte(n))
		} else {
			b.WriteByte(127)
			for n -= 127; n >= 128; n >>= 7 {
				b.WriteByte(byte(n) | 128)
			}
			b.WriteByte(byte(n))
		}
		b.WriteString(s)
	}
	for _, f := range fields {
		b.WriteByte(0)
		text(f.name)
		text(f.value)
	}
	return b.String()
}

// hostileHTTP2 makes the frames of one request, with a fault or two, and an honest one behind it on the same connection.
func hostileHTTP2(r *rand.Rand) string {
	fields := []field{
		{":method", seldom(r, "GET", "HEAD", "POST", "get", "CONNECT", "GET / HTTP/1.1\r\nX: ", "", "GET ", "G\x00", "PRI")},
		{":scheme", seldom(r, "https", "http", "ftp", "", "https://x/\r\n", "HTTPS")},
		{":authority", seldom(r, "x", "", "x\r\nX: 1", "a b", "u@x", "x/y", "x\x00")},
		{":path", seldom(r, "/m0/@v/list", "/m0/@v/list HTTP/1.1\r\nX: 1", "", "*", "m0/@v/list", "http://other/m0/@v/list", "//other/m0/@v/list", "/m0/@v/list\r\n\r\n"+within, "/m0/@v/list x", "/m0/@v/list\x00", "/m0/@v/list\xff", "/m0/@v/list#x", "/m0/@v/list?a b", "/m0\t/@v/list")},
	}
	for range r.IntN(4) {
		fields = append(fields, field{
			oneOf(r, "transfer-encoding", "content-length", "content-length", "connection", "upgrade", "te", "host", "Content-Length", "x-a", "x-a:", "x-a\r\nx-b", "x a", "", "x-a\x00", "keep-alive", "proxy-connection", "expect", "trailer", ":path", ":method", ":x", "cookie", "via", "http2-settings", "É"),
			oneOf(r, "chunked", "0", "5", "43", "+5", "5, 5", "close", "trailers", "x", "100-continue", "a\r\nContent-Length: 5", "a\nTransfer-Encoding: chunked", "a\x00", "a\rb", "", " 5", "é", "/smuggled/@v/list", "CONNECT", "0\r\n\r\n"+within),
		})
	}
	if r.IntN(4) == 0 {
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	}
	if r.IntN(10) == 0 {
		i := r.IntN(4)
		fields = append(fields[:i], fields[i+1:]...)
	}
	var b strings.Builder
	b.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(frameSettings, 0, 0, ""))
	body := oneOf(r, "", "", "hello", within, "0\r\n\r\n"+within, strings.Repeat("x", 10000))
	flags := byte(flagEndHeaders)
	if body == "" {
		flags |= flagEndStream
	}
	if block := hpack(fields); r.IntN(4) == 0 { // in two frames
		b.WriteString(frame(frameHeaders, flags&^flagEndHeaders, 1, block[:len(block)/2]) + frame(frameContinuation, flagEndHeaders, 1, block[len(block)/2:]))
	} else {
		b.WriteString(frame(frameHeaders, flags, 1, block))
	}
	if body != "" {
		b.WriteString(frame(frameData, flagEndStream, 1, body))
	}
	last := []field{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", "/last/@v/list"}}
	b.WriteString(frame(frameHeaders, flagEndHeaders|flagEndStream, 3, hpack(last)))
	return b.String()
}

// converseHTTP2 sends frames and returns the bodies of the streams that ended well.
func (f *front) converseHTTP2(t testing.TB, raw string, silence time.Duration) (bodies map[uint32]string) {
	t.Helper()
	u, err := url.Parse(f.url)
	require.NoError(t, err)
	config := insecure()
	config.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", u.Host, config)
	require.NoError(t, err)
	defer c.Close()
	_, _ = io.WriteString(c, raw) // it may be hung up on
	bodies, open := map[uint32]string{}, map[uint32]string{}
	for ended := map[uint32]bool{}; !ended[1] || !ended[3]; {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(silence)))
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return bodies
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, payload); err != nil {
			return bodies
		}
		stream := binary.BigEndian.Uint32(head[5:])
		switch kind, flags := head[3], head[4]; {
		case kind == frameGoAway:
			return bodies
		case kind == frameReset:
			ended[stream] = true
		case kind == frameSettings && flags&flagAck == 0:
			_, _ = io.WriteString(c, frame(frameSettings, flagAck, 0, ""))
		case kind == framePing && flags&flagAck == 0:
			_, _ = io.WriteString(c, frame(framePing, flagAck, 0, string(payload)))
		case kind == frameData || kind == frameHeaders:
			if kind == frameData {
				open[stream] += string(payload)
			}
			if flags&flagEndStream != 0 {
				bodies[stream], ended[stream] = open[stream], true
			}
		}
	}
	return bodies
}

// TestDifferentialOfHTTP2: what becomes HTTP/1.1 behind the TLS listener is one well-formed request for each, and no more than what
// Go's own server lets through.
func TestDifferentialOfHTTP2(t *testing.T) {
	const inputs = 400
	t.Logf("seed %d, %d inputs", seed, inputs)
	modtap, control := modtapFront(t, echo, true), goFront(t, echo, true)
	random := rand.New(rand.NewPCG(seed, 2))
	passed := 0
	for range inputs {
		raw := hostileHTTP2(random)
		fault := ""
		for silence := patience; silence <= 20*patience; silence *= 20 {
			ours, goes := modtap.converseHTTP2(t, raw, silence), control.converseHTTP2(t, raw, silence)
			if fault = differenceHTTP2(ours, goes); fault == "" {
				passed += len(ours)
				break
			}
		}
		require.Empty(t, fault, "input %q", raw)
		require.Empty(t, modtap.smuggled(), "input %q", raw)
	}
	assert.Greater(t, passed, inputs/2, "requests are passed on")
}

// differenceHTTP2 names what only Modtap passed on, or what was answered to another request.
func differenceHTTP2(ours, goes map[uint32]string) string {
	for stream, body := range ours {
		if method, target, _ := strings.Cut(body, " "); method != "GET" || !strings.HasPrefix(target, "/") {
			continue // its own answer
		}
		if _, ok := goes[stream]; !ok || stream == 3 && body != "GET /last/@v/list" || stream == 1 && strings.Contains(body, "/last/") {
			return fmt.Sprintf("stream %d: Modtap answered %q, ReverseProxy %q", stream, body, goes[stream])
		}
	}
	if goes[3] != "" && ours[3] != goes[3] {
		return fmt.Sprintf("the honest request: Modtap answered %q, ReverseProxy %q", ours[3], goes[3])
	}
	return ""
}
