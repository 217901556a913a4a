// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

func testFloodStage(t *testing.T, server *realServer, index string) {
	cfg := server.config(t, index)
	logs := started(t, settings(), cfg)
	require.NoError(t, logs.ConsumeLogs(t.Context(), today("before")))
	block := func(on string) {
		server.ask(t, http.MethodPut, "/"+index+"-2026.11.22/_settings", `{"index.blocks.read_only_allow_delete":`+on+`}`, nil)
	}
	block("true")
	done := make(chan error)
	go func() { done <- logs.ConsumeLogs(context.Background(), today(numbered("", 20)...)) }()
	select {
	case err := <-done:
		t.Fatalf("taken or given up while the index is blocked: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	block("null")
	require.NoError(t, <-done)
	assert.Equal(t, 21, server.Count(t, index+"-*", ""))
	assert.Empty(t, letters(t, cfg.DeadLetter.Path))
}

// testWriteBlock: an index that is closed to writing keeps its documents waiting, and
// takes them once it is open; what goes to others isn't held back.
func testWriteBlock(t *testing.T, server *realServer, index string) {
	cfg := server.config(t, index)
	logs := started(t, settings(), cfg)
	require.NoError(t, logs.ConsumeLogs(t.Context(), today("before")))
	block := func(on string) {
		server.ask(t, http.MethodPut, "/"+index+"-2026.11.22/_settings", `{"index.blocks.write":`+on+`}`, nil)
	}
	block("true")
	done := make(chan error)
	go func() { done <- logs.ConsumeLogs(context.Background(), records("late", "new")) }()
	backends.Await(t, time.Minute, "the other index's document", func() bool { return server.Count(t, index+"-2026.11.23", "") == 1 })
	select {
	case err := <-done:
		t.Fatalf("taken or given up while the index is blocked: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	block("null")
	require.NoError(t, <-done)
	assert.Equal(t, 2, server.Count(t, index+"-2026.11.22", ""))
	assert.Empty(t, letters(t, cfg.DeadLetter.Path))
}

// testShardLimit: a cluster whose shards are full creates no index. That is no fault of the documents.
func testShardLimit(t *testing.T, server *realServer, index string) {
	limit := func(shards string) {
		server.ask(t, http.MethodPut, "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":`+shards+`}}`, nil)
	}
	limit("1")
	defer limit("null")
	core, _ := observer.New(zapcore.WarnLevel)
	set := settings()
	set.Logger = zap.New(core)
	cfg := server.config(t, index)
	host := &statusHost{}
	logs, err := NewFactory().CreateLogs(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), host))
	done := make(chan error)
	go func() { done <- logs.ConsumeLogs(context.Background(), today(numbered("", 20)...)) }()
	backends.Await(t, time.Minute, "the fault to be reported", func() bool { return len(host.seen()) > 0 })
	assert.Contains(t, host.seen()[0], "maximum shards open")
	select {
	case err := <-done:
		t.Fatalf("taken or given up while no index can be created: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	limit("null")
	require.NoError(t, <-done)
	require.NoError(t, logs.Shutdown(t.Context()))
	assert.Equal(t, 20, server.Count(t, index+"-*", ""))
	assert.Empty(t, letters(t, cfg.DeadLetter.Path), "nothing was the documents' fault")
}

// testWriteOnly: a user who may do nothing but write, which these builds can't have: what stands before the server lets
// through nothing but bulk requests.
func testWriteOnly(t *testing.T, server *realServer, index string) {
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed} {
		core, observed := observer.New(zapcore.WarnLevel)
		set := settings()
		set.Logger = zap.New(core)
		cfg := server.config(t, fmt.Sprintf("%s-%d", index, status))
		cfg.RetryConfig.Enabled = false
		asked := 0
		cfg.Endpoints = []string{front(t, server, func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/_bulk" {
				return false
			}
			asked++
			w.WriteHeader(status)
			return true
		})}
		logs := started(t, set, cfg)
		for n := range 3 {
			require.NoError(t, logs.ConsumeLogs(t.Context(), today(strconv.Itoa(n))))
		}
		assert.Equal(t, 3, server.Count(t, cfg.Index+"-*", ""), "%d", status)
		require.Equal(t, 1, observed.FilterMessageSnippet("template can't be looked after").Len())
		before := asked
		cfg.Template = false
		require.NoError(t, started(t, set, cfg).ConsumeLogs(t.Context(), today("4")))
		assert.Equal(t, 4, server.Count(t, cfg.Index+"-*", ""))
		assert.Equal(t, before+1, asked, "what the server is, and nothing more")
		assert.Equal(t, 1, observed.Len(), "nothing new to warn of")
	}
}

func testNodeDown(t *testing.T, server *realServer, index string) {
	down := "http://" + port.Address(t)
	cfg := server.config(t, index)
	cfg.Endpoints = []string{down, server.URL, down}
	cfg.RetryConfig.Enabled = false
	logs := started(t, settings(), cfg)
	for _, id := range numbered("", 10) {
		require.NoError(t, logs.ConsumeLogs(t.Context(), today(id)))
	}
	assert.Equal(t, 10, server.Count(t, index+"-*", ""))
}

// front is a reverse proxy in front of the server; fault may answer instead.
func front(t *testing.T, server *realServer, fault func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	target, err := url.Parse(server.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{DisableCompression: true}
	proxy.Transport = transport
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered := func() bool {
			mu.Lock()
			defer mu.Unlock() // A fault may be a panic.
			return fault(w, r)
		}()
		if !answered {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { s.Close(); transport.CloseIdleConnections() })
	return s.URL
}

// testFaults: a load during which requests are refused, cut off before or after
// the server has taken them, and left without an answer.
func testFaults(t *testing.T, server *realServer, index string) {
	cfg := server.config(t, index)
	cfg.Timeout = time.Second
	bulks, telemetry := 0, componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.Background())) })
	proxy := front(t, server, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/_bulk" {
			return false
		}
		bulks++
		switch bulks % 7 {
		case 1:
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3: // Taken, but the answer is lost.
			request, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, server.URL+r.URL.RequestURI(), r.Body)
			if assert.NoError(t, err) {
				request.Header = r.Header
				response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
				if assert.NoError(t, err) {
					assert.NoError(t, response.Body.Close())
				}
			}
			panic(http.ErrAbortHandler)
		case 4:
			w.WriteHeader(http.StatusGatewayTimeout)
		case 5:
			if bulks == 5 { // Once, it takes a second. The client's leaving shows once its request is read.
				_, err := io.Copy(io.Discard, r.Body)
				assert.NoError(t, err)
				<-r.Context().Done()
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			return false
		}
		return true
	})
	// The index is there, so that it can be counted during the load.
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), today("first")))
	cfg.Endpoints = []string{proxy}
	cfg.QueueConfig = configoptional.Some(exporterhelper.NewDefaultQueueConfig())
	set := settings()
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	logs, err := NewFactory().CreateLogs(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	for n := range 20 {
		batch := today(numbered(fmt.Sprint(n, "-"), 50)...)
		require.NoError(t, logs.ConsumeLogs(t.Context(), spoil(batch, fmt.Sprint(n, "-007"))))
	}
	// Both: a batch whose answer was lost is there, but its refused document isn't known yet.
	backends.Await(t, 60*time.Second, "all documents", func() bool {
		text, err := os.ReadFile(cfg.DeadLetter.Path)
		return err == nil && bytes.Count(text, []byte("\n")) >= 20 && server.Count(t, index+"-*", "") >= 1+20*49
	})
	require.NoError(t, logs.Shutdown(t.Context()))
	assert.Equal(t, 1+20*49, server.Count(t, index+"-*", ""))
	assert.Len(t, letters(t, cfg.DeadLetter.Path), 20)
	assert.Positive(t, sum(t, telemetry, "duplicate", ""), "the lost answers")
	for _, kind := range []string{"429", "502", "503", "504", "timeout", "unreachable"} {
		assert.Positive(t, sum(t, telemetry, "retried", kind), kind)
	}
	assert.EqualValues(t, 20, sum(t, telemetry, "rejected", "mapper_parsing_exception"))
}

// testHanging: a server that stands still is left after the time-out, holds up no
// stop, and gets what it didn't answer once it goes on.
func testHanging(t *testing.T, server *realServer, index string) {
	cfg := server.config(t, index)
	cfg.Timeout = 500 * time.Millisecond
	cfg.RetryConfig.InitialInterval = time.Hour
	cfg.RetryConfig.MaxInterval = time.Hour
	cfg.QueueConfig = configoptional.Some(exporterhelper.NewDefaultQueueConfig())
	logs, err := NewFactory().CreateLogs(t.Context(), settings(), cfg)
	require.NoError(t, err)
	host := &statusHost{}
	require.NoError(t, logs.Start(t.Context(), host))
	server.Pause()
	resume := sync.OnceFunc(server.Resume)
	defer resume()
	for _, id := range numbered("", 30) { // More than there are consumers.
		require.NoError(t, logs.ConsumeLogs(t.Context(), today(id)))
	}
	backends.Await(t, time.Minute, "the fault to be reported", func() bool { return len(host.seen()) == 1 })
	assert.Contains(t, host.seen()[0], "StatusRecoverableError: index template "+index)
	begin := time.Now()
	require.NoError(t, logs.Shutdown(t.Context()))
	assert.Less(t, time.Since(begin), 10*time.Second, "30 batches, 10 at a time, with 500 ms each, or less")
	resume()

	require.NoError(t, started(t, settings(), server.config(t, index)).ConsumeLogs(t.Context(), today(numbered("", 30)...)))
	assert.Equal(t, 30, server.Count(t, index+"-*", ""))
}
