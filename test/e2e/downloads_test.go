// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// witnesses are the real backends that a Modtap tells.
type witnesses struct {
	jaeger        *backends.JaegerServer
	elasticsearch *backends.ElasticsearchServer
}

// counts is how many exchanges of the ingress each witness holds.
type counts struct {
	Log, Elasticsearch, Prometheus, Jaeger int
}

func (w *witnesses) count(m *modtap, service string, p *backends.PrometheusServer) counts {
	c := counts{Elasticsearch: w.elasticsearch.Count(m.tb, "modtap-requests-*", fmt.Sprintf("service.name:%q AND goproxy.side:ingress", service))}
	for _, d := range m.documents() {
		if d.Goproxy.Side == "ingress" {
			c.Log++
		}
	}
	for _, s := range p.Query(m.tb, "sum(http_server_request_duration_seconds_count)") {
		c.Prometheus = int(s.Value)
	}
	for _, trace := range w.jaeger.Traces(m.tb, service, 100_000) {
		for _, span := range trace.Spans {
			if span.Tags["span.kind"] == "server" && span.Tags["goproxy.side"] == "ingress" {
				c.Jaeger++
			}
		}
	}
	return c
}

// TestRealDownloads downloads real modules through Modtap in front of each
// proxy, cold and warm, and holds what the client got against a run without
// Modtap, and what the client asked against what every backend holds.
func TestRealDownloads(t *testing.T) {
	w := &witnesses{jaeger: backends.Jaeger(t), elasticsearch: backends.Elasticsearch(t)}
	gomod := module(t)
	plain := newClient(t, "", gomod)
	plain.download()
	want := plain.contents()
	t.Logf("%d modules, %d files, without Modtap", modules, len(want))

	for _, tt := range []struct {
		name     string
		upstream func(testing.TB) string
		env      []string // of the client
	}{
		{"embedded", func(testing.TB) string { return "embedded" }, nil},
		// These two ask the checksum database itself, past the GOPROXY list, and it may not be in reach; only Modtap passes it on by the list.
		{"athens", func(tb testing.TB) string { return backends.Athens(tb, backends.AthensOptions{}).URL }, []string{"GOSUMDB=off"}},
		{"goproxy", func(tb testing.TB) string { return backends.Goproxy(tb, backends.GoproxyOptions{}).URL }, []string{"GOSUMDB=off"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			service := "e2e-" + tt.name
			m := start(t, []string{
				"MODTAP_UPSTREAM=" + tt.upstream(t), "MODTAP_SERVICE_NAME=" + service,
				"MODTAP_JAEGER=" + w.jaeger.OTLPHTTP, "MODTAP_ELASTICSEARCH=" + w.elasticsearch.URL,
			})
			prometheus := backends.Prometheus(t, backends.PrometheusOptions{Scrape: []string{m.metrics}})
			c := newClient(t, m.proxy, gomod, tt.env...)
			asked := 0
			for _, round := range []string{"cold", "warm"} {
				c.forget()
				before := cached(t, m)
				told := len(m.documents())
				begun := time.Now()
				requests := c.download()
				took := time.Since(begun)
				asked += requests
				assert.Equal(t, want, c.contents(), "%s: the same files as without Modtap", round)

				all := counts{asked, asked, asked, asked}
				assert.Eventually(t, func() bool { return w.count(m, service, prometheus) == all }, 40*time.Second, time.Second,
					"%s: every backend holds %d exchanges, they hold %+v", round, asked, w.count(m, service, prometheus))
				t.Logf("%s %s: %d requests of go mod download in %s; so far asked %d, told %+v",
					tt.name, round, requests, took.Round(time.Millisecond), asked, w.count(m, service, prometheus))
				if tt.name == "embedded" {
					checkVerdicts(t, m.documents()[told:], before, cached(t, m))
				}
			}
			checkNoDuplicates(t, m.documents())
		})
	}
}

// cached lists the files in the embedded proxy's cache.
func cached(tb testing.TB, m *modtap) map[string]bool {
	tb.Helper()
	found := map[string]bool{}
	root := filepath.Join(m.data, "goproxy", "cache", "download")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(root, path)
			found["/"+filepath.ToSlash(name)] = true
		}
		return nil // another proxy has no such cache
	})
	require.NoError(tb, err)
	return found
}

// checkVerdicts holds hit and miss against the cache directory, before and after.
func checkVerdicts(t *testing.T, docs []document, before, after map[string]bool) {
	t.Helper()
	result := map[string]int{}
	missed := map[string]bool{}
	for _, d := range docs {
		g := d.Goproxy
		if g.Operation != "info" && g.Operation != "mod" && g.Operation != "zip" || g.Outcome != "ok" {
			continue
		}
		path := d.URL.Path
		result[g.Cache.Result]++
		assert.Equal(t, "embedded", g.Cache.Evidence, path)
		switch g.Cache.Result {
		case "hit":
			assert.True(t, before[path] || missed[path], "hit, but not in the cache: %s", path)
		case "miss":
			assert.False(t, before[path], "miss, but in the cache: %s", path)
			assert.False(t, missed[path], "two misses of %s", path)
			assert.True(t, after[path], "missed and not in the cache afterwards: %s", path)
			missed[path] = true
		default:
			assert.Equal(t, "coalesced", g.Cache.Result, path)
		}
	}
	for path := range after {
		if ext := filepath.Ext(path); !before[path] && (ext == ".info" || ext == ".mod" || ext == ".zip") && !strings.HasPrefix(path, "/sumdb/") {
			assert.True(t, missed[path], "came into the cache without a miss: %s", path)
		}
	}
	t.Logf("verdicts: %v; files in the cache before %d, after %d", result, len(before), len(after))
}

// checkNoDuplicates asserts that ids are unique and rise.
func checkNoDuplicates(t *testing.T, docs []document) {
	t.Helper()
	ids := make([]string, len(docs))
	for i, d := range docs {
		ids[i] = d.Event.ID
	}
	assert.IsIncreasing(t, ids)
}
