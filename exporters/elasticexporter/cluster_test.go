// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// cluster answers as Elasticsearch does, with the faults that a healthy one
// can't show. What the real one does is tested in test/e2e.
type cluster struct {
	*httptest.Server

	mu        sync.Mutex
	templates []string           // The versions that were put.
	documents map[string]indexed // By id.
	bulks     [][]string         // The ids of each bulk request.
	header    http.Header        // Of the last bulk request.
	bodies    []map[string]any   // The templates that were put.
	policies  []string           // The policies that were put: path, query and body.

	says   string // The answer to GET /; empty for 404.
	policy string // The policy that is there; empty for none.

	// Faults, nil for none.
	whole func(bulk int) int // The status of the n-th bulk request; 0 is a success.
	// wholeError is the type that a failed bulk request's answer has; empty for no body.
	wholeError string
	item       func(id string) itemFate // What becomes of a document.
	existing   int                      // The version of a template that is there.
}

type indexed struct {
	Index  string
	Source map[string]any
}

type itemFate struct {
	status       int
	kind, reason string
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := newStoppedCluster(t)
	c.Start()
	return c
}

func newStoppedCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{documents: map[string]indexed{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_index_template/{name}", c.getTemplate)
	mux.HandleFunc("PUT /_index_template/{name}", c.putTemplate)
	mux.HandleFunc("POST /_bulk", c.bulk)
	mux.HandleFunc("GET /{$}", c.root)
	for _, path := range []string{"/_ilm/policy/{name}", "/_plugins/_ism/policies/{name}"} {
		mux.HandleFunc("GET "+path, c.getPolicy)
		mux.HandleFunc("PUT "+path, c.putPolicy)
	}
	c.Server = httptest.NewUnstartedServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) getTemplate(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.existing == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	fmt.Fprintf(w, `{"index_templates":[{"name":%q,"index_template":{"version":%d}}]}`, r.PathValue("name"), c.existing)
}

func (c *cluster) putTemplate(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var body struct {
		IndexPatterns []string `json:"index_patterns"`
		Version       int
	}
	text, err := io.ReadAll(r.Body)
	var whole map[string]any
	if err != nil || json.Unmarshal(text, &body) != nil || json.Unmarshal(text, &whole) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.bodies = append(c.bodies, whole)
	c.existing = body.Version
	c.templates = append(c.templates, fmt.Sprintf("%s %d %v", r.PathValue("name"), body.Version, body.IndexPatterns))
	_, _ = io.WriteString(w, `{"acknowledged":true}`) // The test fails by what the exporter says.
}

func (c *cluster) root(w http.ResponseWriter, _ *http.Request) {
	if c.says == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, c.says) // The test fails by what the exporter does.
}

func (c *cluster) getPolicy(w http.ResponseWriter, _ *http.Request) {
	if c.policy == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, c.policy) // The test fails by what the exporter does.
}

func (c *cluster) putPolicy(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		body = []byte(err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.policies = append(c.policies, r.URL.RequestURI()+" "+string(body))
}

func (c *cluster) bulk(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = r.Header.Clone()
	var ids []string
	defer func() { c.bulks = append(c.bulks, ids) }()
	var items []string
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		var action struct {
			Create struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			}
		}
		var source map[string]any
		if json.Unmarshal(lines.Bytes(), &action) != nil || !lines.Scan() || json.Unmarshal(lines.Bytes(), &source) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		id := action.Create.ID
		ids = append(ids, id)
		fate := itemFate{status: http.StatusCreated}
		if _, there := c.documents[id]; there {
			fate = itemFate{status: http.StatusConflict, kind: "version_conflict_engine_exception"}
		} else if c.item != nil {
			fate = c.item(id)
		}
		if fate.status == http.StatusCreated {
			c.documents[id] = indexed{Index: action.Create.Index, Source: source}
			items = append(items, `{"create":{"status":201}}`)
		} else {
			items = append(items, fmt.Sprintf(`{"create":{"_index":%q,"_id":%q,"status":%d,"error":{"type":%q,"reason":%q,"caused_by":{"type":"x","reason":"the cause"}}}}`,
				action.Create.Index, id, fate.status, fate.kind, fate.reason))
		}
	}
	if c.whole != nil {
		if status := c.whole(len(c.bulks)); status != 0 {
			clear(c.documents)
			w.WriteHeader(status)
			if c.wholeError != "" {
				fmt.Fprintf(w, `{"error":{"type":%q,"reason":"Validation Failed"},"status":%d}`, c.wholeError, status)
			}
			return
		}
	}
	fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(items, ","))
}

func (c *cluster) ids() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make([]string, 0, len(c.documents))
	for id := range c.documents {
		ids = append(ids, id)
	}
	return ids
}

// records is a batch with one record for each id, in two resources; their days
// are one apart, beginning with 2026-11-22.
func records(ids ...string) plog.Logs {
	logs := plog.NewLogs()
	for range 2 {
		logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	}
	for i, id := range ids {
		inResource := logs.ResourceLogs().At(i * 2 / len(ids))
		inResource.Resource().Attributes().PutStr("service.name", fmt.Sprintf("proxy-%d", i*2/len(ids)))
		record := inResource.ScopeLogs().At(0).LogRecords().AppendEmpty()
		record.SetTimestamp(pcommon.NewTimestampFromTime(time.Date(2026, time.November, 22+i, 23, 59, 59, 999_999_999, time.UTC)))
		record.Attributes().PutStr("event.id", id)
	}
	return logs
}

func eventIDs(logs plog.Logs) []string {
	var ids []string
	for _, inResource := range logs.ResourceLogs().All() {
		for _, inScope := range inResource.ScopeLogs().All() {
			for _, record := range inScope.LogRecords().All() {
				id, _ := record.Attributes().Get("event.id")
				ids = append(ids, id.Str())
			}
		}
	}
	return ids
}

// direct is a configuration without queue and retry: the error of a push is
// seen by the caller.
func direct(endpoints ...string) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Endpoints = endpoints
	cfg.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
	cfg.RetryConfig.Enabled = false
	return cfg
}

// retrying is a configuration without queue: a push comes back when all is done.
func retrying(endpoints ...string) *Config {
	cfg := direct(endpoints...)
	cfg.RetryConfig.Enabled = true
	cfg.RetryConfig.InitialInterval = time.Millisecond
	cfg.RetryConfig.MaxInterval = 5 * time.Millisecond
	return cfg
}

// newLogsExporter makes what the factory does, without the helper around it.
func newLogsExporter(cfg *Config, set exporter.Settings) (*elasticExporter, error) {
	return newExporter(cfg, cfg.Index, new(sync.Mutex), set)
}

func settings() exporter.Settings {
	set := exportertest.NewNopSettings(componentType)
	set.ID = component.NewIDWithName(componentType, "test")
	return set
}

func started(t testing.TB, set exporter.Settings, cfg *Config) exporter.Logs {
	t.Helper()
	logs, err := NewFactory().CreateLogs(context.Background(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(context.Background(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, logs.Shutdown(context.Background())) })
	return logs
}

// sum is what the counter of documents, such as "rejected", has counted for this
// error.type or reason; empty for all.
func sum(t *testing.T, telemetry *componenttest.Telemetry, name, kind string) int64 {
	t.Helper()
	found, err := telemetry.GetMetric("otelcol_exporter_elastic_" + name + "_documents")
	require.NoError(t, err)
	var total int64
	for _, point := range found.Data.(metricdata.Sum[int64]).DataPoints {
		byError, _ := point.Attributes.Value("error.type")
		byReason, _ := point.Attributes.Value("reason")
		if kind == "" || byError.AsString() == kind || byReason.AsString() == kind {
			total += point.Value
		}
	}
	return total
}
