// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// moduleOrigin serves one version of one module and notes the headers of what
// it is asked.
func moduleOrigin(t *testing.T) (url string, asked func() []http.Header) {
	files := map[string]string{
		"/example.com/m/@v/v1.0.0.info": `{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}`,
		"/example.com/m/@v/v1.0.0.mod":  "module example.com/m\n",
		"/example.com/m/@v/list":        "v1.0.0\n",
	}
	var mu sync.Mutex
	var headers []http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		headers = append(headers, r.Header.Clone())
		mu.Unlock()
		file, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(file))
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []http.Header {
		mu.Lock()
		defer mu.Unlock()
		return headers
	}
}

func TestEmbeddedProxy(t *testing.T) {
	t.Setenv("GOSUMDB", "off")
	t.Setenv("GONOPROXY", "none")
	url, asked := moduleOrigin(t)
	cfg := testConfig(t, Embedded)
	cfg.GOPROXY = url
	r := startReceiver(t, cfg)
	const info = "/example.com/m/@v/v1.0.0.info"
	requests := []struct {
		request         string
		code            int
		result, outcome any
		attempts        int
	}{
		{get(info), 200, "miss", "ok", 1},
		{get(info), 200, "hit", "ok", 0},
		{call("HEAD", info), 200, "hit", "ok", 0},
		{get(info, "Range: bytes=0-3"), 206, "hit", "ok", 0},
		{get("/example.com/m/@v/list"), 200, "bypass", "ok", 1},
		{get("/example.com/none/@v/list"), 404, "bypass", "not_found", 1},
		{get("/favicon.ico"), 404, "bypass", "not_found", 0},
		{call("POST", info, "Content-Length: 0"), 405, "unknown", "refused", 0},
	}
	var first answered
	for i, c := range requests {
		a := ask(t, r.url, c.request)
		assert.Equal(t, c.code, a.code, c.request)
		if i == 0 {
			first = a
		}
	}
	assert.JSONEq(t, `{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}`, first.body)
	all := r.exchanges(t)
	require.Len(t, all, len(requests))
	for i, c := range requests {
		got := all[i]
		assert.EqualValues(t, c.code, got.log["http.response.status_code"], c.request)
		assert.Equal(t, c.result, got.log["goproxy.cache.result"], c.request)
		assert.Equal(t, c.outcome, got.log["goproxy.outcome"], c.request)
		if c.result != "unknown" {
			assert.Equal(t, "embedded", got.log["goproxy.cache.evidence"], c.request)
		}
		if assert.Len(t, got.client, c.attempts, c.request) && c.attempts > 0 {
			assert.Equal(t, got.server.TraceID(), got.client[0].TraceID())
		}
	}
	assert.EqualValues(t, len(first.body), all[0].log["http.response.body.bytes"])
	assert.EqualValues(t, 0, all[2].log["http.response.body.bytes"], "HEAD")
	assert.EqualValues(t, 4, all[3].log["http.response.body.bytes"], "a part")
	assert.Positive(t, all[0].log["goproxy.module.version_age"])
	assert.Equal(t, "cold", all[0].log["goproxy.cache.miss.reason"])

	require.Len(t, asked(), 3)
	assert.Contains(t, asked()[0].Get("Traceparent"), all[0].client[0].SpanID().String())
	assert.Contains(t, asked()[0].Get("Via"), "modtap-ingress-")
	t.Run("again, from the kept cache", func(t *testing.T) {
		again := *cfg
		r := startReceiver(t, &again)
		assert.Equal(t, first.body, ask(t, r.url, get(info)).body)
		assert.Equal(t, "hit", r.exchanges(t)[0].log["goproxy.cache.result"])
		assert.Len(t, asked(), 3)
	})
}

func TestUpstreamOverTLS(t *testing.T) {
	var protocol string
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		w.Header().Set(http.TrailerPrefix+"X-Sum", "abc")
		_, _ = w.Write([]byte("hello"))
	}))
	origin.EnableHTTP2 = true
	origin.StartTLS()
	t.Cleanup(origin.Close)

	trusting := testConfig(t, origin.URL)
	trusting.Forward.TLS.InsecureSkipVerify = true
	a := ask(t, startReceiver(t, trusting).url, get(zip))
	assert.Equal(t, "hello", a.body)
	assert.Equal(t, "HTTP/2.0", protocol)
	assert.Equal(t, 200, a.code)

	r := startReceiver(t, testConfig(t, origin.URL))
	assert.Equal(t, http.StatusBadGateway, ask(t, r.url, get(zip)).code)
	got := r.exchanges(t)[0]
	assert.Equal(t, "tls", got.log["error.type"])
	assert.Equal(t, "upstream_error", got.log["goproxy.outcome"])
}
