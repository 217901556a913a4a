// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

// gate stands before a backend and breaks the way to it.
type gate struct {
	URL string

	tb      testing.TB
	address string
	server  *http.Server // nil while nothing listens
	backend *httputil.ReverseProxy
	fault   atomic.Pointer[injection]

	batches  atomic.Int64 // that came to the backend
	passing  atomic.Int64 // that it hasn't answered yet
	injected atomic.Int64 // that came while a fault was injected
}

// injection answers a request in the backend's place; false: the backend may.
type injection func(w http.ResponseWriter, r *http.Request) bool

func newGate(tb testing.TB, backend string) *gate {
	tb.Helper()
	to, err := url.Parse(backend)
	require.NoError(tb, err)
	g := &gate{tb: tb, address: port.Address(tb)}
	g.URL = "http://" + g.address
	g.backend = &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{DisableCompression: true},
		// A backend that is down shows in what the client gets.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	g.up()
	tb.Cleanup(g.down)
	return g
}

// up listens, down stops it: connections are cut, new ones refused.
func (g *gate) up() {
	g.tb.Helper()
	if g.server != nil {
		return
	}
	listener, err := net.Listen("tcp", g.address)
	require.NoError(g.tb, err)
	g.server = &http.Server{Handler: g}
	go func(s *http.Server) { _ = s.Serve(listener) }(g.server)
}

func (g *gate) down() {
	if g.server != nil {
		_ = g.server.Close()
		g.server = nil
	}
}

// during lets f see each request first while something else happens.
func (g *gate) during(f injection, happens func()) {
	g.tb.Helper()
	before := g.injected.Load()
	g.fault.Store(&f)
	defer g.fault.Store(nil)
	happens()
	require.Greater(g.tb, g.injected.Load(), before, "batches met the fault")
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if batch(r) {
		g.passing.Add(1)
		defer g.passing.Add(-1)
	}
	if f := g.fault.Load(); f != nil {
		if batch(r) {
			g.injected.Add(1)
		}
		if (*f)(w, r) {
			return
		}
	}
	if batch(r) {
		g.batches.Add(1)
	}
	g.backend.ServeHTTP(w, r)
	_ = http.NewResponseController(w).Flush() // who has left gets no answer
}

// downBetweenBatches is down, once each batch that came has its answer.
func (g *gate) downBetweenBatches() {
	g.tb.Helper()
	refuse := injection(func(_ http.ResponseWriter, r *http.Request) bool {
		if batch(r) {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	g.fault.Store(&refuse)
	defer g.fault.Store(nil)
	require.Eventually(g.tb, func() bool { return g.passing.Load() == 0 }, time.Minute, time.Millisecond, "each batch is answered")
	g.down()
}

// batch reports whether a request carries telemetry.
func batch(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/_bulk") || strings.HasSuffix(r.URL.Path, "/v1/traces")
}

// tooMany answers every batch with 429.
func tooMany(w http.ResponseWriter, r *http.Request) bool {
	if !batch(r) {
		return false
	}
	_, _ = io.Copy(io.Discard, r.Body)
	http.Error(w, "too many requests", http.StatusTooManyRequests)
	return true
}

// hang takes every request and answers none.
func hang(_ http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// swallow lets the backend take batches and cuts the connection in place of
// every second answer, so that they are sent again.
func (g *gate) swallow() injection {
	var n atomic.Int64
	return func(_ http.ResponseWriter, r *http.Request) bool {
		if !batch(r) || n.Add(1)%2 == 0 {
			return false
		}
		taken := &discarded{header: http.Header{}}
		g.backend.ServeHTTP(taken, r.WithContext(context.WithoutCancel(r.Context())))
		panic(http.ErrAbortHandler)
	}
}

// discarded is an answer that nobody gets.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(int)             {}

// amidBatch returns while a batch has just begun its way to the backend.
func (g *gate) amidBatch() {
	before := g.batches.Load()
	for deadline := time.Now().Add(2 * time.Minute); g.batches.Load() == before; time.Sleep(50 * time.Microsecond) {
		require.True(g.tb, time.Now().Before(deadline), "a batch comes")
	}
}
