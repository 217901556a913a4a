// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configcompression"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

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
		"client.ip": "ip", "event.end": "date", "url.original": "keyword", "url.full": "keyword", "goproxy.upstream.duration": "long", "span.links.trace.id": "keyword",
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
	assert.Contains(t, found[0].Error.Reason, "goproxy.module.version_age")
	assert.JSONEq(t, `{"@timestamp":"2026-11-22T23:59:59.999999999Z","event":{"id":"042"},"goproxy":{"module":{"version_age":"<very old>"}},"service":{"name":"proxy-0"}}`, string(found[0].Document))
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

// testDataStream: by the name that Kibana's own policies match.
func testDataStream(t *testing.T, server *realServer, _ string) {
	const index = "logs-modtap.access-default"
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
	assert.Equal(t, templateVersion(t), strconv.Itoa(version))
	assert.Equal(t, "720h0m0s", retention)
	cfg.Retention = 0
	require.NoError(t, started(t, set, cfg).ConsumeLogs(t.Context(), today("2")))
	_, retention = body()
	assert.Equal(t, "0s", retention)
}
