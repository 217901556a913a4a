// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"bufio"
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

	// Faults, nil for none.
	whole    func(bulk int) int       // The status of the n-th bulk request; 0 is a success.
	item     func(id string) itemFate // What becomes of a document.
	existing int                      // The version of a template that is there.
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
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.existing = body.Version
	c.templates = append(c.templates, fmt.Sprintf("%s %d %v", r.PathValue("name"), body.Version, body.IndexPatterns))
	_, _ = io.WriteString(w, `{"acknowledged":true}`) // The test fails by what the exporter says.
}

func (c *cluster) bulk(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = r.Header
	var ids []string
	defer func() { c.bulks = append(c.bulks, ids) }()
	var items []string
	lines := bufio.NewScanner(r.Body)
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
