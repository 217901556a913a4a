// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// protocol is the table of https://go.dev/ref/mod#goproxy-protocol, one row for
// each kind of request that the go command makes.
var protocol = []struct {
	name, path, route string
	want              Request
}{
	{"list", "/golang.org/x/mod/@v/list", "/{module}/@v/list", Request{Operation: List, Module: "golang.org/x/mod"}},
	{"latest", "/golang.org/x/mod/@latest", "/{module}/@latest", Request{Operation: Latest, Module: "golang.org/x/mod"}},
	{"info", "/golang.org/x/mod/@v/v0.42.0.info", "/{module}/@v/{version}.info", Request{Operation: Info, Module: "golang.org/x/mod", Version: "v0.42.0"}},
	{"mod", "/golang.org/x/mod/@v/v0.42.0.mod", "/{module}/@v/{version}.mod", Request{Operation: Mod, Module: "golang.org/x/mod", Version: "v0.42.0"}},
	{"zip", "/golang.org/x/mod/@v/v0.42.0.zip", "/{module}/@v/{version}.zip", Request{Operation: Zip, Module: "golang.org/x/mod", Version: "v0.42.0"}},
	{"module of one element", "/example.com/@v/list", "/{module}/@v/list", Request{Operation: List, Module: "example.com"}},
	{"escaped path", "/github.com/!burnt!sushi/toml/@v/v1.5.0.zip", "/{module}/@v/{version}.zip", Request{Operation: Zip, Module: "github.com/BurntSushi/toml", Version: "v1.5.0"}},
	{"escaped version", "/example.com/m/@v/v1.0.0-!r!c1.mod", "/{module}/@v/{version}.mod", Request{Operation: Mod, Module: "example.com/m", Version: "v1.0.0-RC1"}},
	{"escaped first letters", "/github.com/!azure/go-autorest/@latest", "/{module}/@latest", Request{Operation: Latest, Module: "github.com/Azure/go-autorest"}},
	{"major version suffix", "/github.com/go-chi/chi/v5/@v/v5.2.1.info", "/{module}/@v/{version}.info", Request{Operation: Info, Module: "github.com/go-chi/chi/v5", Version: "v5.2.1"}},
	{"gopkg.in", "/gopkg.in/yaml.v3/@v/v3.0.1.info", "/{module}/@v/{version}.info", Request{Operation: Info, Module: "gopkg.in/yaml.v3", Version: "v3.0.1"}},
	{"gopkg.in, unstable", "/gopkg.in/a.v2-unstable/@v/v2.0.0.info", "/{module}/@v/{version}.info", Request{Operation: Info, Module: "gopkg.in/a.v2-unstable", Version: "v2.0.0"}},
	{"gopkg.in .v1, old pseudo-version", "/gopkg.in/check.v1/@v/v0.0.0-20161208181325-20d25e280405.info", "/{module}/@v/{version}.info", Request{Operation: Info, Module: "gopkg.in/check.v1", Version: "v0.0.0-20161208181325-20d25e280405"}},
	{"pseudo-version", "/golang.org/x/exp/@v/v0.0.0-20260527015227-08cc5374adb3.info", "/{module}/@v/{version}.info", Request{Operation: Info, Module: "golang.org/x/exp", Version: "v0.0.0-20260527015227-08cc5374adb3"}},
	{"incompatible", "/github.com/docker/docker/@v/v28.5.2+incompatible.info", "/{module}/@v/{version}.info", Request{Operation: Info, Module: "github.com/docker/docker", Version: "v28.5.2+incompatible"}},
	{"toolchain", "/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip", "/{module}/@v/{version}.zip", Request{Operation: Zip, Module: "golang.org/toolchain", Version: "v0.0.1-go1.26.8.linux-amd64"}},
	{"branch", "/golang.org/x/mod/@v/master.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "golang.org/x/mod", Version: "master"}},
	{"branch with capitals", "/golang.org/x/mod/@v/!h!e!a!d.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "golang.org/x/mod", Version: "HEAD"}},
	{"branch with dots", "/golang.org/x/mod/@v/release.v1.2.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "golang.org/x/mod", Version: "release.v1.2"}},
	{"commit", "/golang.org/x/mod/@v/08cc5374adb3.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "golang.org/x/mod", Version: "08cc5374adb3"}},
	{"version prefix", "/golang.org/x/mod/@v/v0.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "golang.org/x/mod", Version: "v0"}},
	{"version prefix with minor", "/golang.org/x/mod/@v/v0.42.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "golang.org/x/mod", Version: "v0.42"}},
	{"build metadata", "/golang.org/x/mod/@v/v0.42.0+meta.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "golang.org/x/mod", Version: "v0.42.0+meta"}},
	{"version of another major", "/example.com/m/@v/v2.0.0.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "example.com/m", Version: "v2.0.0"}},
	{"query named list", "/example.com/m/@v/list.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "example.com/m", Version: "list"}},
	{"query with odd signs", "/example.com/m/@v/a@b#c d.info", "/{module}/@v/{version}.info", Request{Operation: Query, Module: "example.com/m", Version: "a@b#c d"}},
	{"sumdb supported", "/sumdb/sum.golang.org/supported", "/sumdb/{name}/supported", Request{Operation: SumDB, SumDB: "sum.golang.org", SumDBKind: SumDBSupported}},
	{"sumdb latest", "/sumdb/sum.golang.org/latest", "/sumdb/{name}/latest", Request{Operation: SumDB, SumDB: "sum.golang.org", SumDBKind: SumDBLatest}},
	{"sumdb lookup", "/sumdb/sum.golang.org/lookup/github.com/!burnt!sushi/toml@v1.5.0", "/sumdb/{name}/lookup", Request{Operation: SumDB, SumDB: "sum.golang.org", SumDBKind: SumDBLookup, Module: "github.com/BurntSushi/toml", Version: "v1.5.0"}},
	{"sumdb lookup of sumdb", "/sumdb/sum.golang.org/lookup/golang.org/sumdb/tile/x@v1.0.0", "/sumdb/{name}/lookup", Request{Operation: SumDB, SumDB: "sum.golang.org", SumDBKind: SumDBLookup, Module: "golang.org/sumdb/tile/x", Version: "v1.0.0"}},
	{"sumdb tile", "/sumdb/sum.golang.org/tile/8/0/x123/456", "/sumdb/{name}/tile", Request{Operation: SumDB, SumDB: "sum.golang.org", SumDBKind: SumDBTile, Tile: "8/0/x123/456"}},
	{"sumdb partial tile", "/sumdb/sum.golang.org/tile/8/2/003.p/17", "/sumdb/{name}/tile", Request{Operation: SumDB, SumDB: "sum.golang.org", SumDBKind: SumDBTile, Tile: "8/2/003.p/17"}},
	{"sumdb data tile", "/sumdb/sum.golang.org/tile/8/data/x001/x002/003", "/sumdb/{name}/tile", Request{Operation: SumDB, SumDB: "sum.golang.org", SumDBKind: SumDBTile, Tile: "8/data/x001/x002/003"}},
	{"sumdb with a path", "/sumdb/localhost.localdev/sumdb/supported", "/sumdb/{name}/supported", Request{Operation: SumDB, SumDB: "localhost.localdev/sumdb", SumDBKind: SumDBSupported}},
	{"sumdb with a port", "/sumdb/sum.example.com:8443/latest", "/sumdb/{name}/latest", Request{Operation: SumDB, SumDB: "sum.example.com:8443", SumDBKind: SumDBLatest}},
}

func TestParse(t *testing.T) {
	for _, tt := range protocol {
		t.Run(tt.name, func(t *testing.T) {
			got := Parse(tt.path)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.route, got.Route())
			assert.Equal(t, tt.path, "/"+got.File())
		})
	}
}

func TestParseBelowPrefix(t *testing.T) {
	prefixes := []string{
		"/api/go/repo",       // Artifactory.
		"/repository/go",     // Nexus.
		"/repository/sumdb",  // A repository with an unlucky name.
		"/go/@v",             // Not a host, nor an element of a module path.
		"/My_Repo.v1",        // A dot, but a capital letter.
		"/my_repo.v1",        // A dot, but no host name.
		"/.hidden",           // No element of a module path.
		"/v1.0/Team",         // A host name, but what follows is no element of a module path.
		"/a b/%/é",           // Whatever a mount may be called.
		"/sumdb/x/latest/..", // Dots only.
	}
	for _, prefix := range prefixes {
		for _, tt := range protocol {
			t.Run(prefix+" "+tt.name, func(t *testing.T) {
				want := tt.want
				want.Prefix = prefix
				got := Parse(prefix + tt.path)
				assert.Equal(t, want, got)
				assert.Equal(t, tt.route, got.Route())
				assert.Equal(t, tt.path, "/"+got.File())
			})
		}
	}
}

// TestParsePrefixChoice states what is chosen where a path can be read in two ways.
func TestParsePrefixChoice(t *testing.T) {
	for _, tt := range []struct{ name, path, prefix, module string }{
		{"no prefix", "/gopkg.in/src-d/go-git.v4/@v/list", "", "gopkg.in/src-d/go-git.v4"},
		{"later elements with dots", "/api/go/github.com/nats-io/nats.go/@v/list", "/api/go", "github.com/nats-io/nats.go"},
		{"a host name within a module path", "/example.com/mirror/golang.org/x/mod/@v/list", "", "example.com/mirror/golang.org/x/mod"},
		{"a prefix like a host name", "/repo.v1/github.com/x/y/@v/list", "", "repo.v1/github.com/x/y"},
		{"a prefix like a host name, cut by a capital", "/repo.v1/Go/github.com/x/y/@v/list", "/repo.v1/Go", "github.com/x/y"},
		{"an unescaped capital", "/github.com/Foo/bar.go/@v/list", "/github.com/Foo", "bar.go"},
		{"an address", "/go/10.0.0.1/x/@v/list", "/go", "10.0.0.1/x"},
		{"slashes before the module path", "/go///example.com/m/@v/list", "/go", "example.com/m"},
		{"slashes only", "//example.com/m/@v/list", "", "example.com/m"},
		{"a module below sumdb", "/sumdb/sum.golang.org/@v/list", "/sumdb", "sum.golang.org"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, Request{Operation: List, Prefix: tt.prefix, Module: tt.module}, Parse(tt.path))
		})
	}
}

func TestParseOther(t *testing.T) {
	for _, tt := range []struct{ name, path string }{
		{"empty", ""},
		{"root", "/"},
		{"asterisk form", "*"},
		{"no leading slash", "example.com/m/@v/list"},
		{"page", "/index.html"},
		{"metrics", "/metrics"},
		{"module only", "/example.com/m"},
		{"no module, list", "/@v/list"},
		{"no module, latest", "/@latest"},
		{"directory", "/example.com/m/@v/"},
		{"trailing slash", "/example.com/m/@v/list/"},
		{"no dot in the module path", "/fmt/@v/list"},
		{"leading dash", "/-example.com/m/@v/list"},
		{"leading dot", "/example.com/.m/@v/list"},
		{"trailing dot", "/example.com/m./@v/list"},
		{"empty element", "/example.com//m/@v/list"},
		{"capital letter", "/example.com/M/@v/list"},
		{"capital letter in the version", "/example.com/m/@v/v1.0.0-RC1.info"},
		{"mark without a letter", "/example.com/!/@v/list"},
		{"mark before a digit", "/example.com/!1/@v/list"},
		{"mark at the end of the version", "/example.com/m/@v/v1!.info"},
		{"escaped host", "/!example.com/m/@v/list"},
		{"not ASCII", "/example.com/é/@v/list"},
		{"invalid UTF-8", "/example.com/\xff/@v/list"},
		{"NUL", "/example.com/\x00/@v/list"},
		{"reserved on Windows", "/example.com/aux/@v/list"},
		{"reserved on Windows, escaped", "/example.com/!c!o!m1.x/@v/list"},
		{"Windows short name", "/example.com/a~1/@v/list"},
		{"major version 1", "/example.com/m/v1/@v/list"},
		{"major version with a dot, which is no host", "/example.com/m/v1.2/@v/list"},
		{"gopkg.in without a version", "/gopkg.in/foo.bar/@v/list"},
		{"no version", "/example.com/m/@v/.info"},
		{"no extension", "/example.com/m/@v/v1"},
		{"other extension", "/example.com/m/@v/v1.0.0.ziphash"},
		{"mod of a branch", "/example.com/m/@v/master.mod"},
		{"zip of a branch", "/example.com/m/@v/master.zip"},
		{"mod of a version prefix", "/example.com/m/@v/v1.mod"},
		{"zip with build metadata", "/example.com/m/@v/v1.0.0+meta.zip"},
		{"branch with a slash", "/example.com/m/@v/feature/x.info"},
		{"version reserved on Windows", "/example.com/m/@v/!n!u!l.1.info"},
		{"version of dots", "/example.com/m/@v/...info"},
		{"unknown endpoint", "/example.com/m/@upgrade"},
		{"sumdb alone", "/sumdb/"},
		{"sumdb without a kind", "/sumdb/sum.golang.org"},
		{"sumdb with another kind", "/sumdb/sum.golang.org/key"},
		{"sumdb that is no host", "/sumdb/sum/latest"},
		{"sumdb with a bad port", "/sumdb/sum.golang.org:x/latest"},
		{"sumdb with an empty element", "/sumdb/sum.golang.org//latest"},
		{"sumdb lookup without a version", "/sumdb/sum.golang.org/lookup/example.com/m"},
		{"sumdb lookup of a branch", "/sumdb/sum.golang.org/lookup/example.com/m@master"},
		{"sumdb lookup of go.mod", "/sumdb/sum.golang.org/lookup/example.com/m@v1.0.0/go.mod"},
		{"sumdb lookup without a module", "/sumdb/sum.golang.org/lookup/@v1.0.0"},
		{"sumdb lookup below a prefix", "/sumdb/sum.golang.org/lookup/go/example.com/m@v1.0.0"},
		{"sumdb lookup of latest", "/sumdb/sum.golang.org/lookup/latest"},
		{"sumdb tile without coordinates", "/sumdb/sum.golang.org/tile/"},
		{"sumdb tile too high", "/sumdb/sum.golang.org/tile/31/0/000"},
		{"sumdb tile full but called partial", "/sumdb/sum.golang.org/tile/8/0/000.p/256"},
		{"sumdb tile with a needless group", "/sumdb/sum.golang.org/tile/8/0/x000/001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Parse(tt.path)
			assert.Equal(t, Request{}, got)
			assert.Empty(t, got.Route())
			assert.Empty(t, got.File())
		})
	}
}

// The go command writes an escaped capital letter as %21 and url.Parse decodes it.
func TestParseDecodedURL(t *testing.T) {
	u, err := url.Parse("http://localhost/github.com/%21burnt%21sushi/toml/@v/v1.0.0+incompatible.info")
	require.NoError(t, err)
	assert.Equal(t, "github.com/BurntSushi/toml", Parse(u.Path).Module)
	assert.Equal(t, Request{}, Parse(u.EscapedPath()), "the encoded path is not for Parse")

	u, err = url.Parse("http://localhost/example.com/m/@v/feature%2Fx.info")
	require.NoError(t, err)
	assert.Equal(t, Request{}, Parse(u.Path))
}
