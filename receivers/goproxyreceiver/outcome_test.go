// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// codeOrigin answers each request with the status code that the module's name ends in.
func codeOrigin(t *testing.T, header ...string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(r.URL.Path, "/@")
		code, err := strconv.Atoi(name[strings.LastIndexByte(name, 'm')+1:])
		if err != nil {
			http.NotFound(w, r)
			return
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		http.Error(w, "said by the upstream", code)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// behind starts a receiver with an upstream behind one of the three ways through it.
func behind(t *testing.T, way, upstream string, change ...func(*Config)) (r *running, url string) {
	t.Setenv("GOSUMDB", "off")
	t.Setenv("GONOPROXY", "none")
	t.Setenv("GOPROXY", "off")
	cfg := testConfig(t, Embedded)
	switch way {
	case "forward":
		cfg.Upstream = upstream
	case "embedded":
		cfg.GOPROXY = upstream
	case "egress":
		cfg.GOPROXY = upstream
		cfg.Upstream = upstream // Of the ingress, which isn't asked here.
		cfg.Egress.Endpoint = "127.0.0.1:0"
	}
	for _, f := range change {
		f(cfg)
	}
	r = startReceiver(t, cfg)
	if way == "egress" {
		return r, r.egress
	}
	return r, r.url
}

// TestUpstreamDenies: a 4xx about one module comes through as it is, is told as denied
// and is no error; the attempt keeps it.
func TestUpstreamDenies(t *testing.T) {
	for _, way := range []string{"forward", "embedded", "egress"} {
		t.Run("case 40: "+way, func(t *testing.T) {
			r, url := behind(t, way, codeOrigin(t, "Retry-After", "7"))
			var codes []int
			for code := 400; code < 500; code++ {
				switch code {
				case 404, 410, 412, 416: // Answers of other kinds.
				case 407, 408, 421, 425, 426: // Not about the module, so only forward passes them on.
				default:
					codes = append(codes, code)
				}
			}
			files := []string{"@v/v1.0.0.zip", "@v/v1.0.0.info", "@v/v1.0.0.mod", "@v/list", "@latest"}
			for i, code := range codes {
				a := ask(t, url, get(fmt.Sprintf("/example.com/m%d/%s", code, files[i%len(files)])))
				assert.Equal(t, code, a.code)
				assert.Contains(t, a.body, "said by the upstream")
				if code == http.StatusTooManyRequests {
					assert.Equal(t, "7", a.header.Get("Retry-After"))
				}
			}
			all := r.exchanges(t)
			require.Len(t, all, len(codes))
			for i, code := range codes {
				got := all[i]
				assert.Equal(t, "denied", got.log["goproxy.outcome"], "%d", code)
				assert.NotContains(t, got.log, "error.type", "%d", code)
				assert.Equal(t, ptrace.StatusCodeUnset, got.server.Status().Code(), "%d", code)
				require.NotEmpty(t, got.client, "%d", code)
				assert.Equal(t, ptrace.StatusCodeError, got.client[0].Status().Code(), "%d: the attempt keeps it", code)
				word, _ := got.client[0].Attributes().Get("error.type")
				assert.Equal(t, strconv.Itoa(code), word.AsString())
			}
		})
	}
}

// What isn't about the module is a failure of the hop behind Modtap.
func TestUpstreamDeniesTheHop(t *testing.T) {
	for _, way := range []string{"embedded", "egress"} {
		t.Run(way, func(t *testing.T) {
			r, url := behind(t, way, codeOrigin(t))
			codes := []int{407, 408, 421, 425, 426}
			for _, code := range codes {
				assert.Equal(t, 502, ask(t, url, get(fmt.Sprintf("/example.com/m%d/@v/v1.0.0.mod", code))).code)
			}
			for _, got := range r.exchanges(t) {
				assert.Equal(t, "upstream_error", got.log["goproxy.outcome"])
			}
		})
	}
}

// TestRedirectIsToldAsOne: a zip that is served from elsewhere is no download from here.
func TestRedirectIsToldAsOne(t *testing.T) {
	r, url := behind(t, "forward", codeOrigin(t, "Location", "https://storage.example/zip?signature=secret"))
	codes := []int{301, 302, 303, 307, 308}
	for _, code := range codes {
		assert.Equal(t, code, ask(t, url, get(fmt.Sprintf("/example.com/m%d/@v/v1.0.0.zip", code))).code)
	}
	all := r.exchanges(t)
	require.Len(t, all, len(codes))
	for _, got := range all {
		assert.Equal(t, "redirect", got.log["goproxy.outcome"], "case 43")
		assert.Equal(t, ptrace.StatusCodeUnset, got.server.Status().Code())
	}
	text := r.json(t)
	assert.NotContains(t, text, "goproxy.module.requests")
	assert.NotContains(t, text, "goproxy.module.transferred")
	assert.NotContains(t, text, "secret")
	assert.Contains(t, text, "goproxy.requests")
}
