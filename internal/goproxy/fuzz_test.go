// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
)

func FuzzParse(f *testing.F) {
	for _, tt := range protocol {
		f.Add(tt.path)
		f.Add("/api/go/repo" + tt.path)
	}
	f.Add("")
	f.Add("*")
	f.Add("/\xff/@v/!.info")
	f.Fuzz(func(t *testing.T, path string) {
		r := Parse(path)
		requireConsistent(t, r)
		if r.Operation == Other {
			require.Equal(t, Request{}, r)
			return
		}
		require.True(t, strings.HasPrefix(path, r.Prefix), "the prefix is the path's")
		require.True(t, strings.HasSuffix(path, "/"+r.File()), "the file is the path's")
		between := path[len(r.Prefix) : len(path)-len(r.File())]
		require.Empty(t, strings.Trim(between, "/"), "only slashes stand between them")
		require.NotEmpty(t, r.Route())

		again := r
		again.Prefix = ""
		require.Equal(t, again, Parse("/"+r.File()))
	})
}

// requireConsistent checks what holds for every request that Parse returns.
func requireConsistent(t *testing.T, r Request) {
	t.Helper()
	if r.Module != "" {
		require.NoError(t, module.CheckPath(r.Module))
	}
	if r.Version != "" {
		_, err := module.EscapeVersion(r.Version)
		require.NoError(t, err)
	}
	lookup := r.SumDBKind == SumDBLookup
	named := r.Operation == Info || r.Operation == Mod || r.Operation == Zip || r.Operation == Query || lookup
	require.Equal(t, named || r.Operation == List || r.Operation == Latest, r.Module != "")
	require.Equal(t, named, r.Version != "")
	if named && r.Operation != Query {
		require.Equal(t, module.CanonicalVersion(r.Version), r.Version)
	}
	if r.Operation == Info {
		require.NoError(t, module.Check(r.Module, r.Version))
	}
	require.Equal(t, r.Operation == SumDB, r.SumDB != "")
	require.Equal(t, r.Operation == SumDB, r.SumDBKind != "")
	require.Equal(t, r.SumDBKind == SumDBTile, r.Tile != "")
	require.False(t, strings.HasSuffix(r.Prefix, "/"))
	_ = r.Pseudo()
	_, _, _, toolchain := r.Toolchain()
	require.False(t, toolchain && r.Module != "golang.org/toolchain")
}

func FuzzAgreesWithXMod(f *testing.F) {
	f.Add("/golang.org/x/mod", "v0.42.0", "8/0/x123/456.p/7")
	f.Add("/github.com/!burnt!sushi/toml", "v1.0.0-!r!c1", "8/data/000")
	f.Add("/x.y/gopkg.in/yaml.v3-unstable", "v2.0.0+incompatible", "30/1/999")
	f.Fuzz(func(t *testing.T, path, version, tile string) {
		if strings.HasPrefix(path, "/") && !strings.Contains(path, "@") {
			requireModuleAgrees(t, path)
		}
		if !strings.Contains(version, "/") {
			requireVersionAgrees(t, version)
		}
		requireTileAgrees(t, tile)
	})
}
