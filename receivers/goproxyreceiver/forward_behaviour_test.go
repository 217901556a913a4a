// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

// newClient speaks HTTP/1.1 to http URLs and HTTP/2 to https ones.
func newClient(t testing.TB) *http.Client {
	transport := &http.Transport{TLSClientConfig: insecure(), ForceAttemptHTTP2: true, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// open asks for url and returns the answer's body.
func open(t testing.TB, url string) io.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := newClient(t).Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp.Body
}

// suiteStreams: each part reaches the client before the origin sends the next.
func suiteStreams(t *testing.T, start forwarderStart) {
	for _, length := range []string{"Transfer-Encoding: chunked", "Content-Length: 25"} {
		t.Run(length, func(t *testing.T) {
			arrived := make(chan struct{})
			origin := startOrigin(t, func(c net.Conn, _ received) {
				send(c, answer("200 OK", length))
				for i := range 5 {
					if strings.HasPrefix(length, "Transfer") {
						fmt.Fprintf(c, "5\r\npart%d\r\n", i)
					} else {
						fmt.Fprintf(c, "part%d", i)
					}
					select {
					case <-arrived:
					case <-time.After(soon):
						_ = c.Close()
						return
					}
				}
				if strings.HasPrefix(length, "Transfer") {
					send(c, "0\r\n\r\n")
				}
				_ = c.Close()
			})
			body := open(t, start(t, origin.url)+zip)
			for i := range 5 {
				part := make([]byte, 5)
				_, err := io.ReadFull(body, part)
				require.NoError(t, err)
				assert.Equal(t, "part"+strconv.Itoa(i), string(part))
				arrived <- struct{}{}
			}
			rest, err := io.ReadAll(body)
			require.NoError(t, err)
			assert.Empty(t, rest)
		})
	}
}

// suiteMemory: what passes isn't kept.
func suiteMemory(t *testing.T, start forwarderStart) {
	const size, bound = 300 << 20, 100 << 20
	block := make([]byte, 1<<20)
	origin := startOrigin(t, func(c net.Conn, _ received) {
		send(c, answer("200 OK", "Content-Length: "+strconv.Itoa(size)))
		for range size / len(block) {
			_, _ = c.Write(block)
		}
	})
	url := start(t, origin.url)
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	runtime.GC()
	before, most := inUse(), uint64(0)
	body := open(t, url+zip)
	var n int64
	for {
		part, err := io.CopyN(io.Discard, body, 8<<20)
		n += part
		most = max(most, inUse())
		if err != nil {
			assert.Equal(t, io.EOF, err)
			break
		}
	}
	assert.EqualValues(t, size, n)
	assert.Less(t, int64(most)-int64(before), int64(bound))
}

// suiteSlowClient: a client that doesn't read holds the origin back.
func suiteSlowClient(t *testing.T, start forwarderStart) {
	const size = 256 << 20
	var written atomic.Int64
	block := make([]byte, 64<<10)
	origin := startOrigin(t, func(c net.Conn, _ received) {
		send(c, answer("200 OK", "Content-Length: "+strconv.Itoa(size)))
		for range size / len(block) {
			n, err := c.Write(block)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	body := open(t, start(t, origin.url)+zip)
	last := int64(-1)
	require.Eventually(t, func() bool {
		now := written.Load()
		same := now == last
		last = now
		return same
	}, soon, 300*time.Millisecond, "the origin has to wait")
	assert.Less(t, last, int64(64<<20), "only the sockets' buffers were filled")
	for range 40 {
		_, err := io.CopyN(io.Discard, body, 1<<20)
		require.NoError(t, err)
	}
	assert.Eventually(t, func() bool { return written.Load() > last }, soon, tick, "and goes on as the client reads")
}

// suiteCancel: who leaves isn't worked for.
func suiteCancel(t *testing.T, start forwarderStart) {
	for _, c := range []struct{ name, head string }{
		{name: "before the answer"},
		{"within the answer", answer("200 OK", "Content-Length: 100") + "half"},
		{"within the answer of unknown length", answer("200 OK", chunked) + "4\r\nhalf\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked, closed := make(chan struct{}), make(chan struct{}, 1)
			origin := startOrigin(t, func(conn net.Conn, _ received) {
				send(conn, c.head)
				close(asked)
				_, _ = conn.Read(make([]byte, 1))
				closed <- struct{}{}
				_ = conn.Close()
			})
			url := start(t, origin.url) + zip
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
				resp, err := newClient(t).Do(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				done <- err
			}()
			<-asked
			time.Sleep(20 * time.Millisecond) // the answer's beginning passes
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			select {
			case <-closed: // Long before the origin's answer would end.
			case <-time.After(soon):
				assert.Fail(t, "the origin never heard of it")
			}
		})
	}
}

// suiteBroken: what ends early at the origin ends early at the client.
func suiteBroken(t *testing.T, start forwarderStart) {
	for name, head := range map[string]string{
		"length":      answer("200 OK", "Content-Length: 100") + "half",
		"chunked":     answer("200 OK", chunked) + "4\r\nhalf\r\n",
		"in a chunk":  answer("200 OK", chunked) + "8\r\nhalf",
		"in trailers": answer("200 OK", chunked, "Trailer: X-Sum") + "4\r\nhalf\r\n0\r\nX-Su",
	} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reset %t", name, reset), func(t *testing.T) {
				origin := startOrigin(t, breaking(head, reset))
				body := open(t, start(t, origin.url)+zip)
				got, err := io.ReadAll(body)
				require.Error(t, err)
				assert.Equal(t, "half", string(got))
			})
		}
	}
	t.Run("until the connection ends, reset", func(t *testing.T) {
		origin := startOrigin(t, breaking(answer("200 OK")+"half", true))
		body := open(t, start(t, origin.url)+zip)
		_, err := io.ReadAll(body)
		require.Error(t, err)
	})
}

// breaking answers with the beginning of an answer and ends the connection.
func breaking(head string, reset bool) func(c net.Conn, _ received) {
	return func(c net.Conn, _ received) {
		send(c, head)
		time.Sleep(20 * time.Millisecond) // a reset throws away what wasn't read
		if reset {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		_ = c.Close()
	}
}

// suiteBrokenHTTP10: a client of HTTP/1.0 knows the end of an answer of unknown
// length by the connection's, so only a reset tells it that the answer broke.
func suiteBrokenHTTP10(t *testing.T, start forwarderStart) {
	for name, head := range map[string]string{
		"chunked":                       answer("200 OK", chunked) + "4\r\nhalf\r\n",
		"until the connection ends":     answer("200 OK") + "half",
		"length":                        answer("200 OK", "Content-Length: 100") + "half",
		"large and of unknown length":   answer("200 OK") + strings.Repeat("x", 1<<20),
		"nothing of the body came yet ": answer("200 OK", chunked),
	} {
		t.Run(name, func(t *testing.T) {
			origin := startOrigin(t, breaking(head, true))
			base := start(t, origin.url)
			c := dial(t, base)
			require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
			write(t, c, base, "GET "+zip+" HTTP/1.0\r\n\r\n")
			got, err := io.ReadAll(c)
			assert.ErrorIs(t, err, syscall.ECONNRESET, "received: %.300q", got)
		})
	}
}

// suiteSilent: an origin that doesn't answer is given up after a while.
func suiteSilent(t *testing.T, start forwarderStart) {
	closed := make(chan struct{})
	origin := startOrigin(t, func(c net.Conn, _ received) {
		_, _ = c.Read(make([]byte, 1))
		close(closed)
		_ = c.Close()
	})
	began := time.Now()
	a := ask(t, start(t, origin.url), get(zip))
	assert.Equal(t, http.StatusGatewayTimeout, a.code)
	assert.GreaterOrEqual(t, time.Since(began), responseHeaderTimeout)
	<-closed
}

func suiteNoUpstream(t *testing.T, start forwarderStart) {
	upstream := "http://" + port.Address(t)
	a := ask(t, start(t, upstream), get(zip))
	assert.Equal(t, http.StatusBadGateway, a.code)
	assert.NotEmpty(t, a.body)
	a = ask(t, start(t, upstream), call("HEAD", zip))
	assert.Equal(t, http.StatusBadGateway, a.code)
}

// suiteNoHTTP: what can't be passed on is an upstream's failure.
func suiteNoHTTP(t *testing.T, start forwarderStart) {
	for name, raw := range map[string]string{
		"another protocol":             "SSH-2.0-OpenSSH_9.2\r\nConnection: close\r\n\r\n",
		"nothing":                      "",
		"half a header":                "HTTP/1.1 200 OK\r\nContent-Le",
		"two lengths":                  answer("200 OK", "Content-Length: 1", "Content-Length: 2") + "ab",
		"switch that nobody asked for": answer("101 Switching Protocols", "Upgrade: x", "Connection: upgrade"),
		"status below 100":             answer("042 Odd", "Content-Length: 0"),
	} {
		t.Run(name, func(t *testing.T) {
			origin := startOrigin(t, func(c net.Conn, _ received) {
				send(c, raw)
				_ = c.Close()
			})
			assert.Equal(t, http.StatusBadGateway, ask(t, start(t, origin.url), get(zip)).code)
		})
	}
}

// suiteKeepAlive: a hundred requests need one connection on each side.
func suiteKeepAlive(t *testing.T, start forwarderStart) {
	answers := []string{
		plain, answer("200 OK", chunked) + chunks + "\r\n", answer("404 Not Found", "Content-Length: 4") + "none",
		answer("304 Not Modified"), answer("200 OK", "Content-Length: 0"),
	}
	var n atomic.Int64
	origin := startOrigin(t, func(c net.Conn, _ received) { send(c, answers[int(n.Add(1))%len(answers)]) })
	base := start(t, origin.url)
	c := dial(t, base)
	require.NoError(t, c.SetDeadline(time.Now().Add(2*soon)))
	br := bufio.NewReader(c)
	for i := range 100 {
		write(t, c, base, get(zip, "X-Number: "+strconv.Itoa(i)))
		assert.False(t, readAnswer(t, br, http.MethodGet).broken)
	}
	assert.Len(t, origin.seen(), 100)
	assert.Equal(t, 1, origin.connections())
}

// suiteIdle: connections that do nothing cost the others nothing.
func suiteIdle(t *testing.T, start forwarderStart) {
	origin := rawOrigin(t, plain)
	base := start(t, origin.url)
	idle := make([]net.Conn, 1000)
	for i := range idle {
		idle[i] = dial(t, base)
	}
	for range 20 {
		assert.Equal(t, "hello", ask(t, base, get(zip)).body)
	}
	for _, i := range []int{0, 499, 999} {
		write(t, idle[i], base, get(zip))
		assert.Equal(t, "hello", readAnswer(t, bufio.NewReader(idle[i]), http.MethodGet).body)
	}
}
