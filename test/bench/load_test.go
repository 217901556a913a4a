// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/bench"
)

func TestLoad(t *testing.T) {
	body := strings.Repeat("x", 300<<10) // more than one read
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		assert.Equal(t, "/a/@v/v1.0.0.zip", r.URL.Path)
		w.Header().Set("Content-Length", "307200")
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	l := bench.Load{
		Address: server.Listener.Addr().String(), Path: "/a/@v/v1.0.0.zip", Size: len(body),
		Connections: 4, Requests: 50, Within: time.Minute,
	}
	result, err := l.Run(t.Context())
	require.NoError(t, err)
	assert.Len(t, result.Latencies, 50)
	assert.EqualValues(t, 50, requests.Load())
	assert.InEpsilon(t, 50/result.Elapsed.Seconds(), result.PerSecond(), 1e-9)
	for _, latency := range result.Latencies {
		assert.Positive(t, latency)
		assert.LessOrEqual(t, latency, result.Elapsed)
	}
}

func TestLoadEndsInTime(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "x")
	}))
	defer server.Close()
	l := bench.Load{Address: server.Listener.Addr().String(), Path: "/", Size: 1, Connections: 2, Requests: 1e9, Within: 50 * time.Millisecond}
	result, err := l.Run(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, result.Latencies)
	assert.Less(t, result.Elapsed, 20*time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.Run(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestLoadAcceptsNoWrongAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		answer     func(http.ResponseWriter)
	}{
		{"status", `status line "HTTP/1.1 502 Bad Gateway"`, func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }},
		{"length", `content length " 2", not 3`, func(w http.ResponseWriter) { _, _ = io.WriteString(w, "ab") }},
		{"no length", "no content length", func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
		}},
		{"short body", "body after 2 of 3 bytes: EOF", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "3")
			_, _ = io.WriteString(w, "ab")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
		{"large header", "header of more than", func(w http.ResponseWriter) {
			w.Header().Set("X-Large", strings.Repeat("x", 8<<10))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.answer(w) }))
			defer server.Close()
			_, err := bench.Load{
				Address: server.Listener.Addr().String(), Path: "/", Size: 3, Connections: 1, Requests: 2, Within: time.Minute,
			}.Run(t.Context())
			assert.ErrorContains(t, err, tt.want)
		})
	}
}
