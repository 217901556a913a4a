// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

const patterns = "git.corp.example/team, *.corp.example ,github.com/Corp/secret*,"

func TestMatch(t *testing.T) {
	d, err := New(patterns)
	require.NoError(t, err)
	for _, tt := range []struct{ name, url, want string }{
		{"list", "https://proxy.example/git.corp.example/team/m/@v/list", "git.corp.example/team"},
		{"first pattern wins", "https://proxy.example/git.corp.example/other/@v/v1.0.0.zip", "*.corp.example"},
		{"escaped", "https://proxy.example/github.com/!corp/secrets/@latest", "github.com/Corp/secret*"},
		{"below a prefix of the proxy", "https://proxy.example/api/go/x.corp.example/m/@v/v1.0.0.info", "*.corp.example"},
		{"public module", "https://proxy.example/github.com/pkg/errors/@v/v0.9.1.mod", ""},
		{"http", "http://proxy.example/a.corp.example/m/@v/v1.0.0.mod", "*.corp.example"},
		{"port", "https://proxy.example:8443/a.corp.example/m/@v/v1.0.0.mod", "*.corp.example"},
		{"public address", "https://192.0.2.1/a.corp.example/m/@v/v1.0.0.mod", "*.corp.example"},
		{"own machine", "http://127.0.0.1:3000/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"own machine, IPv6", "http://[::1]:3000/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"own network", "http://10.1.2.3/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"own network, IPv6", "http://[fd00::1]/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"link-local", "http://169.254.1.1/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"localhost", "http://localhost:3000/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"name of the own domain", "http://athens:3000/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"cluster", "http://athens.go.svc.cluster.local/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"host that is private itself", "https://goproxy.corp.example/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"file", "file:///srv/goproxy/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"lookup", "https://sum.golang.org/lookup/a.corp.example/m@v1.0.0", "*.corp.example"},
		{"lookup through a proxy", "https://proxy.example/sumdb/sum.golang.org/lookup/github.com/!corp/secrets@v1.0.0", "github.com/Corp/secret*"},
		{"lookup through the own proxy", "http://127.0.0.1:3000/sumdb/sum.golang.org/lookup/a.corp.example/m@v1.0.0", "*.corp.example"},
		{"lookup below a prefix", "http://nexus/repository/go/sumdb/sum.golang.org/lookup/a.corp.example/m@v1.0.0", "*.corp.example"},
		{"lookup in an own database", "http://127.0.0.1:3000/sumdb/sum.corp.example/lookup/a.corp.example/m@v1.0.0", ""},
		{"lookup of a public module", "https://sum.golang.org/lookup/github.com/pkg/errors@v0.9.1", ""},
		{"a module named lookup", "https://proxy.example/a.corp.example/lookup/m/@v/list", "*.corp.example"},
		{"tile", "https://sum.golang.org/tile/8/0/000", ""},
		{"nonsense", "https://proxy.example/", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := url.Parse(tt.url)
			require.NoError(t, err)
			assert.Equal(t, tt.want, d.Match(u))
			assert.Equal(t, tt.want, d.Find([]exchange.Attempt{{URL: "https://proxy.example/other.example/@v/list"}, {URL: tt.url}}))
			assert.Empty(t, d.Find([]exchange.Attempt{{URL: tt.url, Error: exchange.CircuitOpen}, {URL: tt.url, Direct: true}}))
			if blocked := d.Guard(u); tt.want == "" {
				assert.NoError(t, blocked)
			} else {
				require.ErrorContains(t, blocked, tt.want)
			}
		})
	}
}

func TestNoPatterns(t *testing.T) {
	for _, none := range []string{"", " , "} {
		d, err := New(none)
		require.NoError(t, err)
		assert.Nil(t, d)
		assert.Empty(t, d.Find([]exchange.Attempt{{URL: "https://proxy.example/m.example/@v/list"}}))
		assert.NoError(t, d.Guard(&url.URL{Scheme: "https", Host: "proxy.example", Path: "/m.example/@v/list"}))
	}
}

func TestWrongPatternsAreNamed(t *testing.T) {
	_, err := New("ok.example,[bad,worse[")
	require.ErrorContains(t, err, `"[bad" is no pattern: syntax error in pattern`)
	require.ErrorContains(t, err, `"worse["`)
}

func FuzzMatch(f *testing.F) {
	f.Add("/a.corp.example/m/@v/list", "proxy.example")
	f.Add("/sumdb/sum.golang.org/lookup/a.corp.example/m@v1.0.0", "127.0.0.1")
	f.Add("/lookup/!x@", "")
	d, err := New(patterns)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, path, host string) {
		if p := d.Match(&url.URL{Scheme: "https", Host: host, Path: path}); p != "" {
			assert.Contains(t, d.patterns, p)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	d, err := New(patterns)
	require.NoError(b, err)
	attempts := []exchange.Attempt{{URL: "https://proxy.example/github.com/pkg/errors/@v/v0.9.1.mod"}}
	b.ReportAllocs()
	for b.Loop() {
		if d.Find(attempts) != "" {
			b.Fatal("found")
		}
	}
}
