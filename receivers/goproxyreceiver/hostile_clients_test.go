// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
)

const (
	hostileClients = 200
	largeBody      = 24 << 20
	largeFile      = "/example.com/large/@v/list" // the only kind that no proxy looks into
)

// largeOrigin has a small file and a large one.
func largeOrigin(t *testing.T) string {
	line := []byte(strings.Repeat("v1.0.0\n", 1<<10))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != largeFile {
			_, _ = io.WriteString(w, "v1.0.0\n")
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(largeBody))
		for sent := 0; sent < largeBody; {
			n, err := w.Write(line[:min(len(line), largeBody-sent)])
			if err != nil {
				return
			}
			sent += n
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func connect(t testing.TB, at string) net.Conn {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", u.Host)
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).SetReadBuffer(4<<10))
	t.Cleanup(func() { _ = c.Close() })
	if u.Scheme == "https" {
		config := insecure()
		config.NextProtos = []string{"h2"}
		c = tls.Client(c, config)
	}
	return c
}

// crowd lets clients that send a request and wait do so at once.
func crowd(t *testing.T, n int, one func(i int)) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { one(i) })
	}
	all.Wait()
}

// TestBodiesAreRefused: a request with a body that never ends is answered at once,
// whatever is behind, and its connection ends.
func TestBodiesAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"case 19: a million bytes, one sent": {"GET /example.com/m/@v/list HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx", 400},
		"case 19: chunked and silent":        {"GET /example.com/m/@v/list HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"a few bytes, none sent":             {"GET /example.com/m/@v/list HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", 400},
		"half a chunk":                       {"GET /example.com/m/@v/list HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx", 400},
		"HEAD":                               {"HEAD /example.com/m/@v/list HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", 400},
		"Expect: 100-continue":               {"GET /example.com/m/@v/list HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n", 400},
		"HTTP/1.0":                           {"GET /example.com/m/@v/list HTTP/1.0\r\nContent-Length: 10\r\n\r\n", 400},
		"POST":                               {"POST /example.com/m/@v/list HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx", 405},
		"PUT, chunked":                       {"PUT /example.com/m/@v/list HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 405},
		"no protocol":                        {"GET /favicon.ico HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 400},
		"absolute form":                      {"GET http://x/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 400},
	} {
		for _, way := range []string{"forward", "embedded", "egress"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				n := 20
				if strings.HasPrefix(name, "case") {
					n = hostileClients
				}
				request := strings.Replace(tt.request, "Host: x", "Host: localhost", 1)
				r, at := behind(t, way, largeOrigin(t))
				crowd(t, n, func(int) {
					c := connect(t, at)
					start := time.Now()
					_ = c.SetDeadline(start.Add(soon))
					_, _ = io.WriteString(c, request) // the answer tells
					answer, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: strings.Fields(request)[0]})
					if assert.NoError(t, err, "no answer") {
						assert.Equal(t, tt.status, answer.StatusCode)
						assert.True(t, answer.Close)
						_, _ = io.Copy(io.Discard, answer.Body)
						_ = answer.Body.Close()
					}
					_, err = c.Read(make([]byte, 1))
					assert.ErrorIs(t, err, io.EOF, "the connection stays")
				})
				start := time.Now()
				all := r.exchanges(t)
				assert.Less(t, time.Since(start), 15*time.Second, "a third of what a held connection takes")
				require.Len(t, all, n)
				for _, x := range all {
					assert.EqualValues(t, tt.status, x.log["http.response.status_code"])
					assert.Empty(t, x.client, "nothing is sent on")
				}
			})
		}
	}
}

// patient starts a receiver in front of upstream that waits for a client's reading
// for half a second only.
func patient(t *testing.T, upstream string, change func(*Config)) *running {
	cfg := testConfig(t, upstream)
	cfg.Ingress.WriteTimeout = 500 * time.Millisecond
	if change != nil {
		change(cfg)
	}
	return startReceiver(t, cfg)
}

// TestWhoTakesNothingIsCutOff: an answer that stands still ends, one that moves
// slowly doesn't, and what is told is what the client got.
func TestWhoTakesNothingIsCutOff(t *testing.T) {
	for name, requests := range map[string]int{"a large answer": 1, "pipelined, none of them read": 3} {
		t.Run(name, func(t *testing.T) {
			r := patient(t, largeOrigin(t), nil)
			crowd(t, 50, func(int) {
				c := connect(t, r.url)
				_, err := io.WriteString(c, strings.Repeat("GET "+largeFile+" HTTP/1.1\r\nHost: localhost\r\n\r\n", requests))
				assert.NoError(t, err)
			})
			assert.Eventually(t, func() bool { return r.receiver.listeners[0].quiet() }, time.Minute, tick, "the clients keep their connections")
			for _, x := range r.exchanges(t) {
				assert.Equal(t, "client_gone", x.log["goproxy.outcome"])
				assert.NotEqualValues(t, largeBody, x.log["http.response.body.size"])
			}
		})
	}
	t.Run("slow, but moving", func(t *testing.T) {
		r := patient(t, largeOrigin(t), nil)
		c := connect(t, r.url)
		_, err := io.WriteString(c, "GET "+largeFile+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		require.NoError(t, err)
		start := time.Now()
		for time.Since(start) < 2*time.Second { // four times its patience
			_, err := io.CopyN(io.Discard, c, 64<<10)
			require.NoError(t, err)
			time.Sleep(50 * time.Millisecond)
		}
	})
	t.Run("a kept connection that was idle for long", func(t *testing.T) {
		r := patient(t, largeOrigin(t), nil)
		c := connect(t, r.url)
		br := bufio.NewReader(c)
		for range 2 {
			_, err := io.WriteString(c, "GET /example.com/m/@v/list HTTP/1.1\r\nHost: localhost\r\n\r\n")
			require.NoError(t, err)
			answer, err := http.ReadResponse(br, nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, answer.Body)
			require.NoError(t, errors.Join(err, answer.Body.Close()))
			time.Sleep(time.Second)
		}
	})
}

// quiet tells whether no connection has anything to answer.
func (l *listener) quiet() bool {
	l.conns.mu.Lock()
	defer l.conns.mu.Unlock()
	return len(l.conns.open) == 0
}

// TestAStopWaitsForAnswersOnly: what has sent no whole request holds no stop up.
func TestAStopWaitsForAnswersOnly(t *testing.T) {
	r := patient(t, largeOrigin(t), func(c *Config) { c.Ingress.ReadHeaderTimeout = time.Minute })
	for i, request := range []string{"", "GET /", "GET /example.com/m/@v/list HTTP/1.1\r\nHost: localhost\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"} {
		crowd(t, hostileClients/4, func(int) {
			_, err := io.WriteString(connect(t, r.url), request)
			assert.NoError(t, err, i)
		})
	}
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	require.NoError(t, r.component.Shutdown(context.Background()))
	assert.Less(t, time.Since(start), 20*time.Second, "shutdown_timeout is 30 s")
}

// h2Frame is one of HTTP/2 (RFC 9113, section 4.1).
func h2Frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return string(binary.BigEndian.AppendUint32(append(head, flags), stream)) + payload
}

const (
	preface     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	headers     = 1
	settings    = 4
	endStream   = 1
	endHeaders  = 4
	noWindow    = "\x00\x04\x00\x00\x00\x00" // SETTINGS_INITIAL_WINDOW_SIZE 0
	wholeWindow = "\x00\x04\x7f\xff\xff\xff"
)

// getFrame asks for path: three fields of the static table, and two with a literal
// value (RFC 7541, appendix A).
func getFrame(stream uint32, path string, flags byte) string {
	return h2Frame(headers, flags|endHeaders, stream,
		"\x82\x87\x04"+string(rune(len(path)))+path+"\x01\x09localhost")
}

// TestHostileStreams are those kinds in HTTP/2, where a connection has many requests.
func TestHostileStreams(t *testing.T) {
	server := configtls.NewDefaultServerConfig()
	server.CertFile, server.KeyFile = writeCertificate(t, t.TempDir(), "localhost")
	for name, tt := range map[string]struct {
		path, settings string
		flags          byte
		outcome        string
	}{
		"case 19: bodies that never end": {"/example.com/m/@v/list", wholeWindow, 0, ""},
		"windows that are never opened":  {"/example.com/m/@v/list", noWindow, endStream, "client_gone"},
		"windows of a large answer":      {largeFile, "", endStream, "client_gone"},
		"a connection that nobody reads": {largeFile, wholeWindow, endStream, "client_gone"},
	} {
		t.Run(name, func(t *testing.T) {
			r := patient(t, largeOrigin(t), func(c *Config) { c.Ingress.TLS = configoptional.Some(server) })
			const conns, streams = 10, 20
			crowd(t, conns, func(int) {
				c := connect(t, r.url)
				var request strings.Builder
				request.WriteString(preface + h2Frame(settings, 0, 0, tt.settings))
				for i := range uint32(streams) {
					request.WriteString(getFrame(2*i+1, tt.path, tt.flags))
				}
				_, err := io.WriteString(c, request.String())
				assert.NoError(t, err)
			})
			assert.Eventually(t, func() bool { return r.logs.LogRecordCount() == conns*streams }, time.Minute, tick)
			start := time.Now()
			all := r.exchanges(t)
			assert.Less(t, time.Since(start), 20*time.Second)
			assert.Equal(t, conns*streams, len(all)) //nolint:testifylint // all of them would be shown
			for _, x := range all {
				if tt.outcome == "" {
					assert.EqualValues(t, 400, x.log["http.response.status_code"])
				} else {
					assert.Equal(t, tt.outcome, x.log["goproxy.outcome"])
				}
			}
		})
	}
}
