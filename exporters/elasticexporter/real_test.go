// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

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
				"mappings":                 testMappings,
				"twice":                    testTwice,
				"gzip":                     testGzip,
				"refused":                  testRefused,
				"long id":                  testLongID,
				"flood stage":              testFloodStage,
				"write block":              testWriteBlock,
				"case 29: shard limit":     testShardLimit,
				"case 30: write-only user": testWriteOnly,
				"node down":                testNodeDown,
				"faults":                   testFaults,
				"spans":                    testSpans,
				"data stream":              testDataStream,
				"retention":                testRetention,
				"hanging":                  testHanging,
			} {
				t.Run(what, func(t *testing.T) { test(t, server, strings.ReplaceAll(strings.ReplaceAll(what, ":", ""), " ", "-")) })
			}
		})
	}
}

func (r *realServer) config(t *testing.T, index string) *Config {
	t.Helper()
	cfg := retrying(r.URL)
	cfg.Index, cfg.SpansIndex = index, index+"-spans"
	cfg.Timeout = time.Minute // On a busy machine a new index takes longer than the default.
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
				record.Attributes().PutStr("goproxy.module.version_age", "<very old>")
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
