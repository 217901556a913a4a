// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/modtap/modtap/test/backends"
)

// realServer is a real server, and what differs between the two kinds.
type realServer struct {
	*backends.ElasticsearchServer

	dataStreams bool
}

// TestRealServers shows each promise against both servers.
func TestRealServers(t *testing.T) {
	for name, begin := range map[string]func(testing.TB) *realServer{
		"Elasticsearch": func(tb testing.TB) *realServer { return &realServer{backends.Elasticsearch(tb), false} },
		"OpenSearch":    func(tb testing.TB) *realServer { return &realServer{backends.OpenSearch(tb), true} },
	} {
		t.Run(name, func(t *testing.T) {
			server := begin(t)
			for what, test := range map[string]func(*testing.T, *realServer, string){
				"mappings":    testMappings,
				"twice":       testTwice,
				"gzip":        testGzip,
				"refused":     testRefused,
				"long id":     testLongID,
				"flood stage": testFloodStage,
				"write block": testWriteBlock,
				"node down":   testNodeDown,
				"faults":      testFaults,
				"spans":       testSpans,
				"data stream": testDataStream,
				"retention":   testRetention,
				"hanging":     testHanging,
			} {
				t.Run(what, func(t *testing.T) { test(t, server, strings.ReplaceAll(what, " ", "-")) })
			}
		})
	}
}

func (r *realServer) config(t *testing.T, index string) *Config {
	t.Helper()
	cfg := retrying(r.URL)
	cfg.Index, cfg.SpansIndex = index, index+"-spans"
	cfg.DeadLetter.Path = filepath.Join(t.TempDir(), "dead-letter.jsonl")
	return cfg
}

func (r *realServer) ask(t *testing.T, method, path, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Less(t, response.StatusCode, 300, "%s", text)
	if into != nil {
		require.NoError(t, json.Unmarshal(text, into))
	}
}

// today is a batch with the ids, all of one day.
func today(ids ...string) plog.Logs {
	logs := records(ids...)
	for _, inResource := range logs.ResourceLogs().All() {
		for _, record := range inResource.ScopeLogs().At(0).LogRecords().All() {
			record.SetTimestamp(logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Timestamp())
		}
	}
	return logs
}

// spoil makes the document with this id one that the mappings refuse.
func spoil(logs plog.Logs, id string) plog.Logs {
	for _, inResource := range logs.ResourceLogs().All() {
		for _, record := range inResource.ScopeLogs().At(0).LogRecords().All() {
			if value, _ := record.Attributes().Get("event.id"); value.Str() == id {
				record.Attributes().PutStr("goproxy.module.age", "<very old>")
			}
		}
	}
	return logs
}

func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return ids
}

func letters(t *testing.T, path string) []deadLetter {
	t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	var found []deadLetter
	for line := range bytes.Lines(text) {
		var letter deadLetter
		require.NoError(t, json.Unmarshal(line, &letter), "%s", line)
		found = append(found, letter)
	}
	return found
}

func testMappings(t *testing.T, server *realServer, index string) {
	logs := started(t, settings(), server.config(t, index))
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("a", "b")))
	assert.Equal(t, 1, server.Count(t, index+"-2026.11.22", ""))
	assert.Equal(t, 1, server.Count(t, index+"-2026.11.23", ""))

	var fields map[string]struct {
		Mappings map[string]struct {
			Mapping map[string]struct{ Type string }
		}
	}
	server.ask(t, http.MethodGet, "/"+index+"-2026.11.22/_mapping/field/*", "", &fields)
	mapped := fields[index+"-2026.11.22"].Mappings
	for field, want := range map[string]string{
		"@timestamp": "date", "event.id": "keyword", "event.duration": "long", "trace.id": "keyword", "message": "text",
		"goproxy.cache.result": "keyword", "goproxy.session.inferred": "boolean", "goproxy.session.hit_ratio": "double",
		"url.full": "keyword", "goproxy.upstream.duration": "long", "span.links.trace.id": "keyword",
	} {
		for _, leaf := range mapped[field].Mapping {
			assert.Equal(t, want, leaf.Type, field)
		}
		assert.Len(t, mapped[field].Mapping, 1, field)
	}
}

func testTwice(t *testing.T, server *realServer, index string) {
	logs := started(t, settings(), server.config(t, index))
	for range 3 {
		require.NoError(t, logs.ConsumeLogs(t.Context(), today(numbered("", 50)...)))
	}
	assert.Equal(t, 50, server.Count(t, index+"-*", ""))
}

func testGzip(t *testing.T, server *realServer, index string) {
	var encodings []string
	var length int64
	cfg := server.config(t, index)
	cfg.Endpoints = []string{front(t, server, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/_bulk" {
			encodings = append(encodings, r.Header.Get("Content-Encoding"))
			length = max(length, r.ContentLength)
		}
		return false
	})}
	cfg.Compression = configcompression.TypeGzip
	logs := started(t, settings(), cfg)
	require.NoError(t, logs.ConsumeLogs(t.Context(), spoil(today(numbered("", 200)...), "007")))
	require.NoError(t, logs.ConsumeLogs(t.Context(), today("small")))
	assert.Equal(t, []string{"gzip", ""}, encodings)
	assert.Less(t, length, int64(200*50), "of documents of 150 bytes and more")
	assert.Equal(t, 200, server.Count(t, index+"-*", ""))
	assert.Len(t, letters(t, cfg.DeadLetter.Path), 1)
}

func testRefused(t *testing.T, server *realServer, index string) {
	cfg := server.config(t, index)
	logs := started(t, settings(), cfg)
	require.NoError(t, logs.ConsumeLogs(t.Context(), spoil(spoil(today(numbered("", 100)...), "042"), "099")))
	assert.Equal(t, 98, server.Count(t, index+"-*", ""), "the rest of the bulk")

	found := letters(t, cfg.DeadLetter.Path)
	require.Len(t, found, 2)
	assert.Equal(t, "042", found[0].ID)
	assert.Equal(t, index+"-2026.11.22", found[0].Index)
	assert.Equal(t, http.StatusBadRequest, found[0].Status)
	assert.Equal(t, "mapper_parsing_exception", found[0].Error.Type)
	assert.Contains(t, found[0].Error.Reason, "goproxy.module.age")
	assert.JSONEq(t, `{"@timestamp":"2026-11-22T23:59:59.999999999Z","event":{"id":"042"},"goproxy":{"module":{"age":"<very old>"}},"service":{"name":"proxy-0"}}`, string(found[0].Document))
}

// testLongID: one id above 512 bytes has the whole request refused.
func testLongID(t *testing.T, server *realServer, index string) {
	cfg := server.config(t, index)
	ids := numbered("", 30)
	ids[17] = strings.Repeat("x", 513)
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), today(ids...)))
	assert.Equal(t, 29, server.Count(t, index+"-*", ""))
	found := letters(t, cfg.DeadLetter.Path)
	require.Len(t, found, 1)
	assert.Equal(t, ids[17], found[0].ID)
	assert.Contains(t, found[0].Error.Reason, "too long")
}

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

// testWriteBlock: an index that was closed to writing for good must not hold back
// what goes to others.
func testWriteBlock(t *testing.T, server *realServer, index string) {
	cfg := server.config(t, index)
	logs := started(t, settings(), cfg)
	require.NoError(t, logs.ConsumeLogs(t.Context(), today("before")))
	server.ask(t, http.MethodPut, "/"+index+"-2026.11.22/_settings", `{"index.blocks.write":true}`, nil)
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("late", "new")))
	assert.Equal(t, 1, server.Count(t, index+"-2026.11.22", ""))
	assert.Equal(t, 1, server.Count(t, index+"-2026.11.23", ""))
	found := letters(t, cfg.DeadLetter.Path)
	require.Len(t, found, 1)
	assert.Equal(t, "cluster_block_exception", found[0].Error.Type)
}

func testNodeDown(t *testing.T, server *realServer, index string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	down := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())
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

func testSpans(t *testing.T, server *realServer, index string) {
	cfg := server.config(t, index)
	traces, err := NewFactory().CreateTraces(t.Context(), settings(), cfg)
	require.NoError(t, err)
	require.NoError(t, traces.Start(t.Context(), componenttest.NewNopHost()))
	for range 2 {
		require.NoError(t, traces.ConsumeTraces(t.Context(), threeSpans()))
	}
	require.NoError(t, traces.Shutdown(t.Context()))
	assert.Equal(t, 3, server.Count(t, index+"-spans-2026.11.22", ""), "each once")
	hits := server.Search(t, index+"-spans-*", `{"query":{"bool":{"filter":[{"term":{"span.kind":"server"}},{"term":{"span.links.trace.id":"09000000000000000000000000000000"}}]}}}`)
	require.Len(t, hits, 1)
	assert.Equal(t, "01000000000000000000000000000000"+"0200000000000000", hits[0].ID)
	assert.JSONEq(t, serverSpanDocument, string(hits[0].Source))
}

func testDataStream(t *testing.T, server *realServer, index string) {
	cfg := server.config(t, index)
	cfg.DataStream = true
	if !server.dataStreams {
		cfg.RetryConfig.Enabled = false
		err := started(t, settings(), cfg).ConsumeLogs(t.Context(), today("1"))
		require.ErrorContains(t, err, "if the cluster has no data streams, as the OSS build of Elasticsearch, set data_stream: false")
		return
	}
	logs := started(t, settings(), cfg)
	for range 2 {
		require.NoError(t, logs.ConsumeLogs(t.Context(), records("1", "2", "3")))
	}
	assert.Equal(t, 3, server.Count(t, index, ""))
	hits := server.Search(t, index, "")
	require.Len(t, hits, 3)
	assert.Equal(t, ".ds-"+index+"-000001", hits[0].Index)

	// The limit: after a rollover the id is a new one.
	server.ask(t, http.MethodPost, "/"+index+"/_rollover", "", nil)
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	assert.Equal(t, 4, server.Count(t, index, ""))
}

// testRetention: neither server has the plugin that removes indices. That is said,
// and the documents arrive.
func testRetention(t *testing.T, server *realServer, index string) {
	core, observed := observer.New(zapcore.WarnLevel)
	set := settings()
	set.Logger = zap.New(core)
	cfg := server.config(t, index)
	cfg.Retention = 720 * time.Hour
	require.NoError(t, started(t, set, cfg).ConsumeLogs(t.Context(), today("1")))
	assert.Equal(t, 1, server.Count(t, index+"-*", ""))
	require.Equal(t, 1, observed.FilterMessageSnippet("old indices stay").Len())

	// Its template isn't put again, but is when the retention changes.
	body := func() (version int, retention any) {
		var there struct {
			Templates []struct {
				Template struct {
					Version int
					Meta    map[string]any `json:"_meta"`
				} `json:"index_template"`
			} `json:"index_templates"`
		}
		server.ask(t, http.MethodGet, "/_index_template/"+index, "", &there)
		require.Len(t, there.Templates, 1)
		return there.Templates[0].Template.Version, there.Templates[0].Template.Meta["retention"]
	}
	version, retention := body()
	assert.Equal(t, 2, version)
	assert.Equal(t, "720h0m0s", retention)
	cfg.Retention = 0
	require.NoError(t, started(t, set, cfg).ConsumeLogs(t.Context(), today("2")))
	_, retention = body()
	assert.Equal(t, "0s", retention)
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
	backends.Await(t, 10*time.Second, "the fault to be reported", func() bool { return len(host.seen()) == 1 })
	assert.Contains(t, host.seen()[0], "StatusRecoverableError: index template "+index)
	begin := time.Now()
	require.NoError(t, logs.Shutdown(t.Context()))
	assert.Less(t, time.Since(begin), 3*time.Second, "30 batches, 10 at a time, with 500 ms each, or less")
	resume()

	require.NoError(t, started(t, settings(), server.config(t, index)).ConsumeLogs(t.Context(), today(numbered("", 30)...)))
	assert.Equal(t, 30, server.Count(t, index+"-*", ""))
}
