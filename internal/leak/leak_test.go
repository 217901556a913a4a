// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

const patterns = "git.corp.example/team, *.corp.example ,github.com/Corp/secret*,"

// sent is a request that is passed on to host as target is written.
func sent(t testing.TB, host, target string) Sent {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	require.NoError(t, err)
	s := Sent{Host: host, Target: target}
	if r := goproxy.Parse(u.Path); r.Plain(target, u.Path) {
		s.Request = r
	}
	return s
}

func TestMatch(t *testing.T) {
	d, err := New(patterns)
	require.NoError(t, err)
	const public = "proxy.example"
	for _, tt := range []struct{ name, host, target, want string }{
		{"list", public, "/git.corp.example/team/m/@v/list", "git.corp.example/team"},
		{"first pattern wins", public, "/git.corp.example/other/@v/v1.0.0.zip", "*.corp.example"},
		{"escaped", public, "/github.com/!corp/secrets/@latest", "github.com/Corp/secret*"},
		{"escaped, as the go command writes it", public, "/github.com/%21corp/secrets/@latest", "github.com/Corp/secret*"},
		{"in lower case", public, "/github.com/corp/secrets/@latest", "github.com/Corp/secret*"},
		{"below a prefix of the proxy", public, "/api/go/x.corp.example/m/@v/v1.0.0.info", "*.corp.example"},
		{"below what looks like a module", public, "/y.example/x.corp.example/m/@v/v1.0.0.info", "*.corp.example"},
		{"public module", public, "/github.com/pkg/errors/@v/v0.9.1.mod", ""},
		{"a name that only begins alike", public, "/github.com/corporation/secret/@v/v0.9.1.mod", ""},
		{"a host that only ends alike", public, "/mycorp.example/m/@v/v0.9.1.mod", ""},
		{"public address", "192.0.2.1", "/a.corp.example/m/@v/v1.0.0.mod", "*.corp.example"},
		{"own machine", "127.0.0.1", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"own machine, IPv6", "::1", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"own network", "10.1.2.3", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"own network, IPv6", "fd00::1", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"link-local", "169.254.1.1", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"localhost", "localhost", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"name of the own domain", "athens", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"cluster", "athens.go.svc.cluster.local", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"host that is private itself", "goproxy.corp.example", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"folder", "", "/a.corp.example/m/@v/v1.0.0.mod", ""},
		{"lookup through a proxy", public, "/sumdb/sum.golang.org/lookup/github.com/!corp/secrets@v1.0.0", "github.com/Corp/secret*"},
		{"lookup through the own proxy", "127.0.0.1", "/sumdb/sum.golang.org/lookup/a.corp.example/m@v1.0.0", "*.corp.example"},
		{"lookup below a prefix", "nexus", "/repository/go/sumdb/sum.golang.org/lookup/a.corp.example/m@v1.0.0", "*.corp.example"},
		{"lookup in an own database", "127.0.0.1", "/sumdb/sum.corp.example/lookup/a.corp.example/m@v1.0.0", ""},
		{"lookup in an own database with a port", "127.0.0.1", "/sumdb/sum.corp.example:8443/lookup/a.corp.example/m@v1.0.0", ""},
		{"lookup in an own database, through the public", public, "/sumdb/sum.corp.example/lookup/a.corp.example/m@v1.0.0", "*.corp.example"},
		{"a database that is a module", public, "/sumdb/a.corp.example/m/supported", "*.corp.example"},
		{"lookup that ends as a list", "127.0.0.1", "/sumdb/sum.golang.org/lookup/a.corp.example/m/@v/list", "*.corp.example"},
		{"lookup before a tile", "127.0.0.1", "/sumdb/x/lookup/a.corp.example/m/sumdb/sum.golang.org/tile/8/0/000", "*.corp.example"},
		{"a module named lookup", public, "/a.corp.example/lookup/m/@v/list", "*.corp.example"},
		{"a module named sumdb", "127.0.0.1", "/a.corp.example/sumdb/a.corp.example/@v/list", ""},
		{"tile", public, "/sumdb/sum.golang.org/tile/8/0/000", ""},
		{"escaped twice in a version", public, "/x.example/m/@v/%252fa.corp.example%252fm.info", "*.corp.example"},
		{"nonsense", public, "/", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sent(t, tt.host, tt.target)
			assert.Equal(t, tt.want, d.Match(s))
			pattern, err := Guard{Detector: d}.Judge(s)
			require.NoError(t, err)
			assert.Equal(t, tt.want, pattern)
			pattern, err = Guard{Detector: d, Block: true}.Judge(s)
			assert.Equal(t, tt.want, pattern)
			switch {
			case tt.want != "":
				require.ErrorContains(t, err, tt.want)
			case tt.name == "nonsense":
				require.ErrorContains(t, err, "not a path of the GOPROXY protocol")
			default:
				require.NoError(t, err)
			}
		})
	}
}

func TestMatchDatabase(t *testing.T) {
	d, err := New(patterns)
	require.NoError(t, err)
	lookup := func(name, path string) Sent { return Sent{Host: name, Request: goproxy.ParseSumDB(name, path)} }
	assert.Equal(t, "*.corp.example", d.Match(lookup("sum.golang.org", "/lookup/a.corp.example/m@v1.0.0")))
	assert.Empty(t, d.Match(lookup("sum.golang.org", "/lookup/github.com/pkg/errors@v0.9.1")))
	assert.Empty(t, d.Match(lookup("sum.golang.org", "/tile/8/0/000")))
	assert.Empty(t, d.Match(lookup("sum.corp.example", "/lookup/a.corp.example/m@v1.0.0")))
}

func TestRedirects(t *testing.T) {
	d, err := New(patterns)
	require.NoError(t, err)
	g := Guard{Detector: d, Block: true}
	_, err = g.Judge(Sent{Host: "storage.example", Target: "/bucket/ab/abcdef?signature=x", Redirect: true})
	require.NoError(t, err, "where a file is stored is for the upstream to say")
	_, err = g.Judge(Sent{Host: "storage.example", Target: "/bucket/git.corp.example/team/m/@v/v1.0.0.zip?signature=x", Redirect: true})
	require.ErrorContains(t, err, "git.corp.example/team")
	_, err = g.Judge(Sent{Host: "storage.example", Target: "/bucket?file=git.corp.example%2Fteam", Redirect: true})
	require.Error(t, err)
}

func TestGlobsMatchAsInTheGoCommand(t *testing.T) {
	d, err := New("git.example/[^A-Z]*/x")
	require.NoError(t, err)
	r := goproxy.Parse("/git.example/a/x/@v/list")
	assert.Equal(t, "git.example/[^A-Z]*/x", d.Match(Sent{Host: "proxy.example", Request: r}))
}

func TestNoPatterns(t *testing.T) {
	for _, none := range []string{"", " , "} {
		d, err := New(none)
		require.NoError(t, err)
		assert.Nil(t, d)
		s := Sent{Host: "proxy.example", Target: "/anything"}
		assert.Empty(t, d.Match(s))
		pattern, err := Guard{Detector: d, Block: true}.Judge(s)
		require.NoError(t, err)
		assert.Empty(t, pattern)
	}
}

func TestWrongPatternsAreNamed(t *testing.T) {
	_, err := New("ok.example,[bad,worse[")
	require.ErrorContains(t, err, `"[bad" is no pattern: syntax error in pattern`)
	require.ErrorContains(t, err, `"worse["`)
}

func TestBlockedIsNotFound(t *testing.T) {
	for _, b := range []*Blocked{{}, {Pattern: "x"}} {
		assert.Equal(t, http.StatusNotFound, b.Status())
		assert.Equal(t, exchange.ErrorLeakBlocked, b.ErrorType())
	}
}

func BenchmarkJudge(b *testing.B) {
	d, err := New(patterns)
	require.NoError(b, err)
	g := Guard{Detector: d}
	for _, target := range []string{"/github.com/pkg/errors/@v/v0.9.1.mod", "/github.com/%21burnt%21sushi/toml/@v/v0.9.1.mod", "/favicon.ico"} {
		b.Run(target, func(b *testing.B) {
			s := sent(b, "proxy.example", target)
			b.ReportAllocs()
			for b.Loop() {
				if p, err := g.Judge(s); p != "" || err != nil {
					b.Fatal(p, err)
				}
			}
		})
	}
}
