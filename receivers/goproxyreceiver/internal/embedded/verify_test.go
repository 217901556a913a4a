// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

func TestVerified(t *testing.T) {
	u := newUpstream(t, 1000)
	g := start(t, u.URL, map[string]string{"GOSUMDB": u.withSumDB(t, "")})
	for _, ext := range []string{".mod", ".zip"} {
		a := g.get(t, "/"+stem+ext)
		assert.Equal(t, 200, a.StatusCode, a.body)
		assert.Equal(t, u.files["/"+stem+ext], a.body)
		assert.Equal(t, exchange.Miss, g.last().Result)
	}
	var lookups int
	for _, p := range u.paths() {
		if strings.Contains(p, "/lookup/") {
			lookups++
		}
	}
	assert.Equal(t, 1, lookups, "what is verified is kept")
	mod := g.accounts[0]
	require.Greater(t, len(mod.Attempts), 2)
	assert.Contains(t, mod.Attempts[0].URL, stem+".mod")
	assert.Contains(t, mod.Attempts[1].URL, "/sumdb/sum.example/supported")
	assert.Contains(t, mod.Attempts[2].URL, "/sumdb/sum.example/lookup/example.com/m@v1.0.0")
	assert.Len(t, g.accounts[1].Attempts, 1)
}

func TestChecksumMismatch(t *testing.T) {
	u := newUpstream(t, 1000)
	g := start(t, u.URL, map[string]string{"GOSUMDB": u.withSumDB(t, "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")})
	a := g.get(t, "/"+stem+".zip")
	assert.Equal(t, 502, a.StatusCode)
	assert.Contains(t, a.body, "checksum mismatch: example.com/m@v1.0.0: downloaded h1:")
	assert.Contains(t, a.body, "sum.example has h1:AAAA")
	assert.Equal(t, "checksum_mismatch", g.last().Error)
	assert.Equal(t, exchange.Miss, g.last().Result)
	assert.NotContains(t, g.cached(t), stem+".zip")
	assert.Equal(t, 200, g.get(t, "/"+stem+".mod").StatusCode, "the .mod is the one that the database knows")
}

func TestWhoIsNotVerified(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  func(key string) map[string]string
	}{
		{"GOSUMDB=off", func(string) map[string]string { return map[string]string{"GOSUMDB": "off"} }},
		{"GONOSUMDB", func(key string) map[string]string {
			return map[string]string{"GOSUMDB": key, "GONOSUMDB": "example.com/*"}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t, 1000)
			g := start(t, u.URL, tt.env(u.withSumDB(t, "h1:other")))
			assert.Equal(t, 200, g.get(t, "/"+stem+".zip").StatusCode)
			assert.Len(t, u.paths(), 1)
		})
	}
}

func TestDatabaseThatCannotBeAsked(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		status int
		text   string
	}{
		{"unknown module", http.NotFound, 502, "verifying example.com/m@v1.0.0: reading"},
		{"out of order", func(w http.ResponseWriter, r *http.Request) { down(w, r) }, 502, "out of order"},
		{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 504, "timeout"},
		{"nonsense", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("1\nx\n\n")) }, 502, "verifying example.com/m@v1.0.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t, 1000)
			key := u.withSumDB(t, "")
			u.setFault(func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/sumdb/sum.example/lookup/") {
					tt.answer(w, r)
					return true
				}
				return false
			})
			g := start(t, u.URL, map[string]string{"GOSUMDB": key})
			a := g.get(t, "/"+stem+".mod")
			assert.Equal(t, tt.status, a.StatusCode, "never a 404: the module may well exist")
			assert.Contains(t, a.body, tt.text)
			assert.Empty(t, g.cached(t))
		})
	}
}

func TestForkedDatabase(t *testing.T) {
	u := newUpstream(t, 1000)
	key := u.withSumDB(t, "")
	g := start(t, u.URL, map[string]string{"GOSUMDB": key})
	assert.Equal(t, 200, g.get(t, "/"+stem+".mod").StatusCode)
	// Another history under another key: its signature is none.
	u.withSumDB(t, "h1:other")
	require.NoError(t, g.proxy.cache.Write(t.Context(), g.proxy.verifier.db.file("sum.example/lookup/example.com/m@v1.0.0"), []byte("0\nlies\n\n")))
	a := g.get(t, "/"+stem+".zip")
	assert.Equal(t, 502, a.StatusCode)
	assert.NotContains(t, g.cached(t), stem+".zip")
}

func TestParseGOSUMDB(t *testing.T) {
	for _, tt := range []struct{ in, name, url string }{
		{"", "sum.golang.org", "https://sum.golang.org"},
		{"sum.golang.org", "sum.golang.org", "https://sum.golang.org"},
		{"sum.golang.google.cn", "sum.golang.org", "https://sum.golang.google.cn"},
		{knownKeys["sum.golang.org"] + " https://mirror.example/x", "sum.golang.org", "https://mirror.example/x"},
	} {
		db, err := parseGOSUMDB(tt.in)
		require.NoError(t, err)
		assert.Equal(t, tt.name, db.name)
		assert.Equal(t, tt.url, db.url.String())
		assert.Equal(t, "https://"+tt.name != tt.url, db.only)
	}
	for _, in := range []string{"a b c", " ", "sum.example", knownKeys["sum.golang.org"] + " nonsense"} {
		_, err := parseGOSUMDB(in)
		require.ErrorContains(t, err, "GOSUMDB", in)
	}
	db, err := parseGOSUMDB("off")
	require.NoError(t, err)
	assert.Empty(t, db.key)
}
