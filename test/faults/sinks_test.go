// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// named waits until /healthy says this of a component, or nothing at all where text is empty.
func (r *run) named(component, text string) {
	r.t.Helper()
	var said string
	require.Eventually(r.t, func() bool {
		response, err := alone.Get("http://" + r.ports[2] + "/healthy")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		said = string(body)
		if text == "" {
			return err == nil && response.StatusCode == http.StatusOK
		}
		return err == nil && response.StatusCode == http.StatusServiceUnavailable && strings.Contains(said, component) && strings.Contains(said, text)
	}, 2*time.Minute, 50*time.Millisecond, "/healthy names %s with %q", component, text)
	r.t.Logf("/healthy named %s: %q", component, text)
}

// shardsFull has Elasticsearch refuse to create the day's index, since its nodes may have no more shards.
func shardsFull(r *run) {
	limit := func(shards string) {
		r.elasticsearch(r.t, http.MethodPut, "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":`+shards+`}}`)
	}
	r.t.Cleanup(func() { limit("null") })
	r.named("exporters::elastic", "maximum shards open")
	time.Sleep(scale(3*time.Second, time.Minute))
	limit("null")
	r.named("", "")
	time.Sleep(2 * time.Second)
}

// fullOfShards takes the indices away, so that the day's must be created, and room for another.
func fullOfShards(s *suite) option {
	return func(o *settings) {
		o.before = func(t *testing.T) {
			s.elasticsearch(t, http.MethodDelete, "/"+indices, "")
			s.elasticsearch(t, http.MethodPut, "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":1}}`)
		}
	}
}

// writeOnly puts nginx before Elasticsearch, which lets nothing through but bulk requests, as the rights of a write-only user do.
func writeOnly(t *testing.T, s *suite) option {
	t.Helper()
	nginx := backends.Nginx(t, backends.NginxOptions{Config: `
		client_max_body_size 64m;
		server {
			listen 127.0.0.1:{{.Port}};
			location = /_bulk { proxy_pass ` + s.es.URL + `; }
			location / { return 403; }
		}`})
	return func(o *settings) { o.env = append(o.env, "MODTAP_ELASTICSEARCH="+nginx.URL) }
}

// between is an nginx before Jaeger that answers in its place while a file of the name of the answer is there.
type between struct{ *backends.Server }

func newBetween(t *testing.T, s *suite) between {
	t.Helper()
	return between{backends.Nginx(t, backends.NginxOptions{Config: `
		client_max_body_size 64m;
		server {
			listen 127.0.0.1:{{.Port}};
			default_type text/html;
			if (-f {{.Dir}}/404) { return 404; }
			if (-f {{.Dir}}/401) { return 401; }
			if (-f {{.Dir}}/413) { return 413; }
			if (-f {{.Dir}}/302) { return 302 /sign-in; }
			if (-f {{.Dir}}/200) { return 200 "<!doctype html><title>Sign in</title>"; }
			location / { proxy_pass ` + s.jaeger.OTLPHTTP + `; }
		}`})}
}

// answers has nginx answer in Jaeger's place, one answer after the other.
func (b between) answers(r *run) {
	for _, a := range []struct{ status, says string }{
		{"404", "404 Not Found"},
		{"401", "401 Unauthorized"},
		{"413", "413 Request Entity Too Large"},
		{"302", "302 Found"},
		{"200", "200 OK (text/html): no OTLP answer"},
	} {
		name := filepath.Join(b.Dir, a.status)
		require.NoError(r.t, os.WriteFile(name, nil, 0o600))
		r.named("exporters::otlp_http/jaeger", a.says)
		time.Sleep(scale(500*time.Millisecond, time.Minute))
		require.NoError(r.t, os.Remove(name))
	}
	r.named("", "")
	assert.Zero(r.t, r.scraper.total("otelcol_exporter_dropped_items", `exporter="otlp_http/jaeger"`))
	time.Sleep(time.Second)
}
