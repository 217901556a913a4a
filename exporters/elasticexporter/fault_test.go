// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/olivere/elastic/v7"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
)

// TestWhoseFault: every status with every type of error that Elasticsearch or OpenSearch has, as item of a bulk request. Only the
// listed ones are the document's, and only with the status that goes with them.
func TestWhoseFault(t *testing.T) {
	const illegal = "illegal_argument_exception"
	documents := []elastic.ErrorDetails{
		{Type: "mapper_parsing_exception", Reason: "failed to parse field [goproxy.module.version_age] of type [long]"},
		{Type: "document_parsing_exception", Reason: "[1:2] failed to parse field [x]"},
		{Type: "strict_dynamic_mapping_exception", Reason: "mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed"},
		{Type: "action_request_validation_exception", Reason: "Validation Failed: 1: id [x] is too long, must be no longer than 512 bytes but was: 513;"},
		{Type: "x_content_parse_exception"},
		{Type: "json_parse_exception"},
		{Type: "max_bytes_length_exceeded_exception"},
		{Type: illegal, Reason: "Document contains at least one immense term in field=\"url.path\" (whose UTF8 encoding is longer than the max length 32766)"},
		{Type: illegal, Reason: "mapper [goproxy] cannot be changed from type [long] to [text]"},
		{Type: illegal, Reason: "Limit of total fields [1000] has been exceeded while adding new fields [1]"},
		{Type: illegal, Reason: "Limit of mapping depth [20] has been exceeded due to object field [a.b]"},
		{Type: illegal, Reason: "object mapping for [x] tried to parse field [x] as object, but found a concrete value"},
		{Type: illegal, Reason: "Can't merge a non object mapping [x] with an object mapping"},
		{Type: illegal, Reason: "data stream timestamp field [@timestamp] is missing"},
	}
	cluster := []elastic.ErrorDetails{
		{Type: "validation_exception", Reason: "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [1000]/[1000] maximum shards open;"},
		{Type: "cluster_block_exception", Reason: "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"},
		{Type: "cluster_block_exception", Reason: "index [x] blocked by: [FORBIDDEN/8/index write (api)];"},
		{Type: "cluster_block_exception", Reason: "blocked by: [SERVICE_UNAVAILABLE/2/no master];"},
		{Type: "security_exception", Reason: "action [indices:data/write/bulk[s]] is unauthorized for user [x]"},
		{Type: "index_closed_exception", Reason: "closed"},
		{Type: "index_not_found_exception", Reason: "no such index [x] and [action.auto_create_index] is [false]"},
		{Type: "invalid_index_name_exception", Reason: "Invalid index name [x], must be lowercase"},
		{Type: "es_rejected_execution_exception"},
		{Type: "circuit_breaking_exception"},
		{Type: "unavailable_shards_exception"},
		{Type: "process_cluster_event_timeout_exception"},
		{Type: "master_not_discovered_exception"},
		{Type: "node_closed_exception"},
		{Type: "shard_not_found_exception"},
		{Type: "routing_missing_exception", Reason: "routing is required for [x]/[_doc]/[1]"},
		{Type: "resource_already_exists_exception"},
		{Type: "translog_exception"},
		{Type: "engine_closed_exception"},
		{Type: "alias_filter_parsing_exception"},
		{Type: "license_exception"},
		{Type: "pipeline_processing_exception"},
		{Type: illegal, Reason: "pipeline with id [x] does not exist"},
		{Type: illegal, Reason: "no write index is defined for alias [x]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index"},
		{Type: illegal, Reason: "only write ops with an op_type of create are allowed in data streams"},
		{Type: illegal, Reason: "unknown setting [index.lifecycle.name] please check that any required plugins are installed"},
		{Type: illegal, Reason: "composable template [x] template after composition with component templates [y] is invalid"},
		{Type: "an_exception_of_next_year", Reason: "document field mapper [x]"},
		{},
	}
	for status := range 600 {
		for _, e := range documents {
			want := status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge
			assert.Equal(t, want, isDocuments(&item{Status: status, Error: &e}, tooLarge), "%d %s %s", status, e.Type, e.Reason)
			assert.Equal(t, status == http.StatusBadRequest, isDocuments(&item{Status: status, Error: &e}, tooLarge-1), "small: %d %s %s", status, e.Type, e.Reason)
		}
		for _, e := range cluster {
			assert.Equal(t, status == http.StatusRequestEntityTooLarge, isDocuments(&item{Status: status, Error: &e}, tooLarge), "case 29: %d %s %s", status, e.Type, e.Reason)
		}
		assert.Equal(t, status == http.StatusRequestEntityTooLarge, isDocuments(&item{Status: status}, tooLarge), "%d", status)
		assert.False(t, isDocuments(&item{Status: status}, tooLarge-1), "%d", status)
	}
}

func FuzzWhoseFault(f *testing.F) {
	f.Add(400, "validation_exception", "maximum shards open")
	f.Add(400, "illegal_argument_exception", "mapper [x]")
	f.Fuzz(func(t *testing.T, status int, kind, reason string) {
		if !isDocuments(&item{Status: status, Error: &elastic.ErrorDetails{Type: kind, Reason: reason}}, tooLarge) {
			return
		}
		assert.Contains(t, []int{400, 413}, status)
	})
}

// TestWholeRequestThatSomethingBetweenRefuses: a page with the status 400 comes from no Elasticsearch. Nothing is divided or
// given up.
func TestWholeRequestThatSomethingBetweenRefuses(t *testing.T) {
	c := newCluster(t)
	refuse := true
	c.whole = func(int) int {
		if refuse {
			return http.StatusBadRequest
		}
		return 0
	}
	cfg := direct(c.URL)
	cfg.DeadLetter.Path = filepath.Join(t.TempDir(), "dead.jsonl")
	logs := started(t, settings(), cfg)
	require.ErrorContains(t, logs.ConsumeLogs(t.Context(), records("1", "2", "3")), "400")
	assert.Len(t, c.bulks, 1)
	refuse = false
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1", "2", "3")))
	assert.Len(t, c.ids(), 3)
	assert.Empty(t, letters(t, cfg.DeadLetter.Path))
}

// TestRequestsTooLargeForAProxy: what stands before the cluster and takes no request at all, however small, isn't the documents'
// fault: none is given up.
func TestRequestsTooLargeForAProxy(t *testing.T) {
	c := newCluster(t)
	refuse := true
	c.whole = func(int) int {
		if refuse {
			return http.StatusRequestEntityTooLarge
		}
		return 0
	}
	cfg := direct(c.URL)
	cfg.DeadLetter.Path = filepath.Join(t.TempDir(), "dead.jsonl")
	logs := started(t, settings(), cfg)
	require.ErrorContains(t, logs.ConsumeLogs(t.Context(), records("1", "2", "3")), "413")
	refuse = false
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1", "2", "3")))
	assert.Len(t, c.ids(), 3)
	assert.Empty(t, letters(t, cfg.DeadLetter.Path))
}

// TestASuccessWithAnErrorIsNone: an item that has an error wasn't taken, whatever its status.
func TestASuccessWithAnErrorIsNone(t *testing.T) {
	for status := 200; status < 300; status++ {
		b := newBulk(nil, &batch{text: "{}\n{}\n", at: []place{{0, 3}}})
		b.settle(&item{Status: status, Error: &elastic.ErrorDetails{Type: "blocked", Reason: "by a filter"}}, 0)
		assert.Equal(t, []bool{true}, b.again, status)
		assert.Contains(t, b.reason, "by a filter")
	}
}

// TestRedirectsAreNotFollowed: what is asked and told goes where the configuration says.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := newCluster(t)
	for _, status := range []int{300, 301, 302, 303, 305, 307, 308, 399} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", elsewhere.URL+r.URL.RequestURI())
			w.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		err := started(t, settings(), direct(s.URL)).ConsumeLogs(t.Context(), records("1"))
		require.ErrorContains(t, err, "it redirects: set the endpoint to where it leads", status)
		require.ErrorContains(t, err, strconv.Itoa(status))
		assert.False(t, consumererror.IsPermanent(err), status)
	}
	assert.Empty(t, elsewhere.ids())
	assert.Empty(t, elsewhere.templates)
}

// TestAnswersAreBounded: whatever a backend answers, and however well it is compressed, it costs no more memory than the bound.
func TestAnswersAreBounded(t *testing.T) {
	var bomb bytes.Buffer
	packed := gzip.NewWriter(&bomb)
	block := []byte(strings.Repeat(`{"create":{"status":201}},`, 1<<12))
	_, err := packed.Write([]byte(`{"items":[`))
	require.NoError(t, err)
	for range (1 << 28) / len(block) {
		_, err := packed.Write(block)
		require.NoError(t, err)
	}
	require.NoError(t, packed.Close())
	for name, answer := range map[string]func(http.ResponseWriter){
		"case 21: a body without end": func(w http.ResponseWriter) {
			for range (1 << 30) / len(block) {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
		"compressed": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes()) // the client leaves
		},
		"an error": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusServiceUnavailable)
			for range (1 << 30) / len(block) {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/_bulk" {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				answer(w)
			}))
			t.Cleanup(s.Close)
			logs := started(t, settings(), direct(s.URL))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			require.Error(t, logs.ConsumeLogs(t.Context(), records("1", "2")))
			runtime.ReadMemStats(&after)
			t.Logf("%d MiB allocated, of which the server has a part, in %v", (after.TotalAlloc-before.TotalAlloc)>>20, time.Since(begun))
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(128<<20))
		})
	}
}
