// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

func writeFile(name, content string) error { return os.WriteFile(name, []byte(content), 0o600) }

func TestMissThenHit(t *testing.T) {
	u := newUpstream(t, 1000)
	g := start(t, u.URL, nil)
	for _, tt := range []struct{ ext, contentType string }{
		{".info", "application/json; charset=utf-8"},
		{".mod", "text/plain; charset=utf-8"},
		{".zip", "application/zip"},
	} {
		t.Run(tt.ext, func(t *testing.T) {
			path := "/" + stem + tt.ext
			asked := len(u.paths())
			miss := g.get(t, path)
			assertAccount(t, g.last(), exchange.Miss, 1)
			assert.Equal(t, path, strings.TrimPrefix(g.last().Attempts[0].URL, u.URL), "just that file is fetched")
			assert.NotZero(t, g.last().Attempts[0].Span.SpanID)
			assert.Equal(t, g.last().Span.SpanID, g.last().Attempts[0].Span.ParentID, "under the request's own")
			hit := g.get(t, path)
			assertAccount(t, g.last(), exchange.Hit, 0)
			assert.Len(t, u.paths(), asked+1)

			for _, a := range []answer{miss, hit} {
				assert.Equal(t, 200, a.StatusCode)
				assert.Equal(t, u.files[path], a.body, "Origin included")
				assert.Equal(t, tt.contentType, a.Header.Get("Content-Type"))
				assert.EqualValues(t, len(a.body), a.ContentLength)
				assert.Equal(t, "public, max-age=604800", a.Header.Get("Cache-Control"))
			}
			etag := hit.Header.Get("ETag")
			assert.Regexp(t, `^"[^"]+"$`, etag)
			assert.Equal(t, etag, miss.Header.Get("ETag"))
			assert.NotEmpty(t, hit.Header.Get("Last-Modified"))
			assert.Contains(t, g.cached(t), path[1:])
		})
	}
}

func TestConditionsAndRanges(t *testing.T) {
	u := newUpstream(t, 1000)
	path := "/" + stem + ".zip"
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprintf("warm=%v", warm), func(t *testing.T) {
			fresh := func(t *testing.T) (*rig, string) {
				g := start(t, u.URL, nil)
				if !warm {
					return g, ""
				}
				return g, g.get(t, path).Header.Get("ETag")
			}
			result := exchange.Miss
			if warm {
				result = exchange.Hit
			}
			t.Run("HEAD", func(t *testing.T) {
				g, etag := fresh(t)
				a := g.do(t, http.MethodHead, path)
				assert.Equal(t, result, g.last().Result)
				assert.Equal(t, 200, a.StatusCode)
				assert.EqualValues(t, len(u.files[path]), a.ContentLength)
				if warm {
					assert.Equal(t, etag, a.Header.Get("ETag"))
				}
				assert.Equal(t, a.Header.Get("ETag"), g.get(t, path).Header.Get("ETag"))
			})
			t.Run("Range", func(t *testing.T) {
				g, _ := fresh(t)
				a := g.do(t, http.MethodGet, path, "Range", "bytes=10-19")
				assert.Equal(t, result, g.last().Result)
				assert.Equal(t, 206, a.StatusCode)
				assert.Equal(t, u.files[path][10:20], a.body)
				rest := g.do(t, http.MethodGet, path, "Range", "bytes=20-", "If-Range", a.Header.Get("ETag"))
				assert.Equal(t, 206, rest.StatusCode)
				assert.Equal(t, u.files[path][20:], rest.body)
				whole := g.do(t, http.MethodGet, path, "Range", "bytes=20-", "If-Range", `"other"`)
				assert.Equal(t, 200, whole.StatusCode)
			})
			t.Run("If-None-Match", func(t *testing.T) {
				g, etag := fresh(t)
				if warm {
					a := g.do(t, http.MethodGet, path, "If-None-Match", etag)
					assert.Equal(t, 304, a.StatusCode)
					assert.Empty(t, a.body)
					return
				}
				a := g.do(t, http.MethodGet, path, "If-None-Match", `"another"`)
				assert.Equal(t, 200, a.StatusCode)
				assert.Equal(t, exchange.Miss, g.last().Result)
			})
		})
	}
}

func TestAnswersThatMayChange(t *testing.T) {
	for _, tt := range []struct{ name, path string }{
		{"list", "/example.com/m/@v/list"},
		{"latest", "/example.com/m/@latest"},
		{"query", "/example.com/m/@v/master.info"},
		{"empty list", "/example.com/other/@v/list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t, 10)
			g := start(t, u.URL, nil)
			first := g.get(t, tt.path)
			assertAccount(t, g.last(), exchange.Bypass, 1)
			second := g.get(t, tt.path)
			assertAccount(t, g.last(), exchange.Bypass, 1)
			assert.Equal(t, u.files[tt.path], second.body)
			assert.Equal(t, first.Header.Get("ETag"), second.Header.Get("ETag"))

			u.setFault(down)
			stale := g.get(t, tt.path)
			assertAccount(t, g.last(), exchange.Stale, 1)
			assert.Equal(t, 503, g.last().Attempts[0].Status)
			assert.Equal(t, 200, stale.StatusCode)
			assert.Equal(t, u.files[tt.path], stale.body)

			u.setFault(func(w http.ResponseWriter, _ *http.Request) bool {
				http.Error(w, "not found: withdrawn", http.StatusGone)
				return true
			})
			gone := g.get(t, tt.path)
			assertAccount(t, g.last(), exchange.Bypass, 1)
			assert.Equal(t, 410, gone.StatusCode, "that there is nothing is an answer, too")
			assert.Contains(t, gone.body, "not found: withdrawn")

			u.Close()
			stale = g.get(t, tt.path)
			// The end of the connection that was idle may be seen before the request is sent on it, or after.
			assertAccount(t, g.last(), exchange.Stale, min(max(len(g.last().Attempts), 1), 2))
			assert.Equal(t, "connection_refused", g.last().Error)
			assert.Equal(t, u.files[tt.path], stale.body)
		})
	}
}

func TestFailures(t *testing.T) {
	u := newUpstream(t, 1000)
	broken := func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write([]byte(u.files[r.URL.Path][:20]))
		return true
	}
	slow := func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	for _, tt := range []struct {
		name, path string
		fault      func(http.ResponseWriter, *http.Request) bool
		status     int
		text, word string
	}{
		{"no such version", "/example.com/m/@v/v1.9.0.zip", nil, 404, "not found: no such thing", ""},
		{"upstream out of order", "/" + stem + ".mod", down, 502, "503 Service Unavailable: out of order", ""},
		{"list without a copy", "/example.com/m/@v/list", down, 502, "out of order", ""},
		{"broken zip", "/" + stem + ".zip", broken, 502, "unexpected EOF", "connection_reset"},
		{"silent", "/" + stem + ".info", slow, 504, "timeout awaiting response headers", "timeout"},
		{"info of another version", "/example.com/m/@v/v1.1.0.info", nil, 502, `info for version "v1.0.0" instead of v1.1.0`, "bad_response"},
		{"sign-in page for a mod", "/example.com/m/@v/v1.1.0.mod", nil, 502, "no go.mod file", "bad_response"},
		{"no zip", "/example.com/m/@v/v1.1.0.zip", nil, 502, "bad response", "bad_response"},
		{"query without an answer", "/example.com/m/@v/nothing.info", nil, 502, "invalid response", "bad_response"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u.setFault(tt.fault)
			g := start(t, u.URL, nil)
			a := g.get(t, tt.path)
			assert.Equal(t, tt.status, a.StatusCode)
			assert.Contains(t, a.body, tt.text)
			assert.Equal(t, "text/plain; charset=utf-8", a.Header.Get("Content-Type"))
			assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
			assert.Empty(t, a.Header.Get("ETag"))
			assert.Equal(t, tt.word, g.last().Error)
			assert.Len(t, g.last().Attempts, 1)
			assert.Empty(t, g.cached(t), "nothing half, nothing bad is kept")
			head := g.do(t, http.MethodHead, tt.path)
			assert.Equal(t, tt.status, head.StatusCode)
			assert.Empty(t, head.body)

			u.setFault(nil)
			if tt.fault != nil {
				assert.Equal(t, 200, g.get(t, tt.path).StatusCode, "a failure isn't kept")
			}
		})
	}
}

func TestNextElement(t *testing.T) {
	a, b := newUpstream(t, 10), newUpstream(t, 10)
	half := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write([]byte("half"))
		return true
	}
	a.setFault(half)
	g := start(t, a.URL+"|"+b.URL, nil)
	got := g.get(t, "/"+stem+".zip")
	assert.Equal(t, b.files["/"+stem+".zip"], got.body)
	assertAccount(t, g.last(), exchange.Miss, 2)
	assert.Equal(t, "error", g.last().Attempts[0].Reason)
	assert.Empty(t, g.last().Error)
	assert.Equal(t, []string{stem + ".zip"}, g.cached(t))
}

func TestWhatIsNotServed(t *testing.T) {
	u := newUpstream(t, 10)
	g := start(t, u.URL, nil)
	for _, path := range []string{
		"/", "/favicon.ico", "/example.com/m/@v/v1.0.0.tar", "/example.com/m/@v/master.zip", "/example.com/m/@v/v2.0.0.zip",
		"/example.com/m/@v/../../../etc/passwd",
	} {
		assert.Equal(t, 404, g.get(t, path).StatusCode, path)
		assert.Empty(t, g.last().Result)
	}
	assert.Empty(t, u.paths())
}

func TestPrefixIsIgnored(t *testing.T) {
	u := newUpstream(t, 10)
	g := start(t, u.URL, nil)
	a := g.get(t, "/api/go/repo/"+stem+".mod")
	assert.Equal(t, mod, a.body)
	assert.Equal(t, []string{"/" + stem + ".mod"}, u.paths())
}

func TestCacheOnly(t *testing.T) {
	u := newUpstream(t, 10)
	g := start(t, u.URL, nil)
	for _, path := range []string{"/" + stem + ".mod", "/example.com/m/@v/list"} {
		a := g.do(t, http.MethodGet, path, "Disable-Module-Fetch", "true")
		assert.Equal(t, 404, a.StatusCode)
		assert.Empty(t, u.paths())
	}
	g.get(t, "/"+stem+".mod")
	a := g.do(t, http.MethodGet, "/"+stem+".mod", "Disable-Module-Fetch", "true")
	assert.Equal(t, mod, a.body)
	assertAccount(t, g.last(), exchange.Hit, 0)
}

func TestCacheThatFails(t *testing.T) {
	u := newUpstream(t, 10)
	g := start(t, u.URL, nil)
	require.NoError(t, os.RemoveAll(g.dir))
	require.NoError(t, writeFile(g.dir, "in the way"))
	a := g.get(t, "/"+stem+".mod")
	assert.Equal(t, 500, a.StatusCode)
	assert.NotContains(t, a.body, g.dir)
	assert.Equal(t, "cache_failure", g.last().Error)
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	off := map[string]string{"GOSUMDB": "off"}
	for _, tt := range []struct {
		name string
		s    Settings
		want string
	}{
		{"no scheme", Settings{GOPROXY: "proxy.example.com", Env: off}, "has no scheme"},
		{"bad GOSUMDB", Settings{GOPROXY: "off", Env: map[string]string{"GOSUMDB": "nonsense"}}, "GOSUMDB"},
		{"bad directory", Settings{GOPROXY: "off", Env: off, Dir: os.DevNull}, "cache directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(t.Context(), tt.s)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestOwnAddressIsLeftOut(t *testing.T) {
	u := newUpstream(t, 10)
	own, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer own.Close()
	p, err := New(t.Context(), Settings{
		Dir: t.TempDir(), OwnAddresses: []string{own.Addr().String()},
		Env: map[string]string{"GOPROXY": "http://" + own.Addr().String() + "," + u.URL, "GOSUMDB": "off"},
	})
	require.NoError(t, err)
	defer p.Close()
	assert.Equal(t, []string{"http://" + own.Addr().String()}, p.Upstream.LeftOut)
	assert.Equal(t, u.URL, p.Upstream.List.String())
}

// TestWhoseListIsReplaced: our own address alone is the pasted export line where it is
// the user's GOPROXY, and a mistake where it was written for Modtap.
func TestWhoseListIsReplaced(t *testing.T) {
	users := Settings{OwnAddresses: []string{"127.0.0.1:8081"}, Env: map[string]string{"GOPROXY": "http://localhost:8081", "GOSUMDB": "off"}, Dir: t.TempDir()}
	c, err := NewChain(t.Context(), users)
	require.NoError(t, err)
	defer c.Close()
	assert.True(t, c.Upstream.Builtin)
	assert.Equal(t, []string{"http://localhost:8081"}, c.Upstream.LeftOut)

	written := users
	written.GOPROXY = "http://localhost:8081"
	_, err = NewChain(t.Context(), written)
	require.ErrorContains(t, err, "leads back to Modtap")
}
