// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/modtap/modtap/test/backends"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMuteConnection: an HTTP/2 connection that goes mute without a reset is given up within the stated time, also while requests
// come all the time, and whether it was idle or not.
func TestMuteConnection(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto) // the test fails by what it gets
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	for _, tt := range []struct {
		name string
		idle time.Duration
	}{{"case 36: in use", 0}, {"case 36: idle", PingAfter + PingTimeout + 3*time.Second}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := backends.NewRelay(t, s.Listener.Addr().String())
			transport := New(Settings{TLS: &tls.Config{InsecureSkipVerify: true}})
			t.Cleanup(transport.CloseIdleConnections)
			client := &http.Client{Transport: transport, Timeout: 2 * time.Second}
			ask := func() error {
				answer, err := client.Get("https://" + r.Address)
				if err != nil {
					return err
				}
				defer answer.Body.Close()
				text, err := io.ReadAll(answer.Body)
				assert.Equal(t, "HTTP/2.0", string(text))
				return err
			}
			require.NoError(t, ask())
			r.Silence()
			begun := time.Now()
			time.Sleep(tt.idle)
			if tt.idle > 0 {
				require.NoError(t, ask(), "the first request finds a new connection")
				return
			}
			for ask() != nil {
				require.Less(t, time.Since(begun), PingAfter+PingTimeout+10*time.Second, "the mute connection is still used")
			}
			t.Logf("a new connection after %v", time.Since(begun).Round(time.Millisecond))
		})
	}
}

// TestHeadersAreBounded: a header without end, in one line, in many or before the answer, is a fault before it has cost much.
func TestHeadersAreBounded(t *testing.T) {
	for name, part := range map[string]string{
		"lines": "X-Line: " + strings.Repeat("x", 1<<10) + "\r\n", "one line": strings.Repeat("x", 1<<10),
		"informational": "x\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 1<<10),
	} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan int, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, buffered, err := http.NewResponseController(w).Hijack()
				if !assert.NoError(t, err) {
					return
				}
				defer c.Close()
				n, _ := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nX-First: ")
				for n < 64<<20 {
					more, err := io.WriteString(buffered, part)
					if n += more; err != nil {
						break
					}
				}
				sent <- n
			}))
			t.Cleanup(s.Close)
			request, err := http.NewRequest(http.MethodGet, s.URL, http.NoBody)
			require.NoError(t, err)
			answer, err := New(Settings{}).RoundTrip(request.WithContext(t.Context()))
			if err == nil {
				_ = answer.Body.Close()
			}
			require.ErrorContains(t, err, "262144 bytes")
			assert.Less(t, <-sent, 64<<20)
		})
	}
}

// TestClientFollowsNoRedirect: a client asks what it is told to, and nothing else.
func TestClientFollowsNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked") }))
	t.Cleanup(elsewhere.Close)
	for status := 300; status < 400; status++ {
		s := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		answer, err := Client(New(Settings{})).Get(s.URL)
		require.NoError(t, err, status)
		assert.Equal(t, status, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
		s.Close()
	}
}

// TestMuteIdleConnections: of many HTTP/1 connections that went mute, one costs a time-out.
func TestMuteIdleConnections(t *testing.T) {
	held := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-held
		}
	}))
	t.Cleanup(s.Close)
	r := backends.NewRelay(t, s.Listener.Addr().String())
	transport := New(Settings{Header: 5 * time.Second})
	transport.MaxIdleConnsPerHost = 16
	t.Cleanup(transport.CloseIdleConnections)
	ask := func(path string, within time.Duration) error {
		request, err := http.NewRequest(http.MethodGet, "http://"+r.Address+path, http.NoBody)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		answer, err := transport.RoundTrip(request.WithContext(ctx))
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
	var asking sync.WaitGroup
	for range 10 { // at once, so that each has a connection of its own
		asking.Go(func() { assert.NoError(t, ask("/hold", 5*time.Second)) })
	}
	time.Sleep(100 * time.Millisecond)
	close(held)
	asking.Wait()
	r.Silence()
	require.ErrorIs(t, ask("/", 300*time.Millisecond), context.DeadlineExceeded, "case 36: the first finds out")
	for range 10 {
		require.NoError(t, ask("/", 5*time.Second), "case 36: the others needn't")
	}
}

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		size  int
		fails bool
	}{{0, false}, {1, false}, {9, false}, {10, false}, {11, true}, {1000, true}} {
		for name, read := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "late EOF": iotest.DataErrReader} {
			body := Limit(io.NopCloser(read(strings.NewReader(strings.Repeat("x", tt.size)))), 10)
			text, err := io.ReadAll(body)
			assert.Equal(t, tt.fails, err != nil, "%d %s", tt.size, name)
			assert.Len(t, text, min(tt.size, 10))
			if tt.fails {
				n, again := body.Read(make([]byte, 5))
				assert.Zero(t, n)
				require.Error(t, again)
			}
		}
	}
}

func TestCure(t *testing.T) {
	for text, want := range map[string]string{
		`malformed HTTP response "\x00\x00\x06\x04\x00"`: "it speaks gRPC: write grpc://h:1",
		`malformed HTTP response "\x15\x03\x01\x00"`:     "it speaks TLS: write https://h:1",
		"connection refused":                             "",
	} {
		assert.Equal(t, want, Cure(errors.New(text).Error(), &url.URL{Scheme: "http", Host: "h:1"}))
	}
}
