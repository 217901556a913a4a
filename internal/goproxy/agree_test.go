// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// These tests hold our checks against those of golang.org/x/mod, on strings made
// of the pieces that decide.

const samples = 200_000

// sentence joins up to n words, chosen at random but the same in every run.
func sentence(r *rand.Rand, n int, words []string) string {
	var b strings.Builder
	for range r.IntN(n + 1) {
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.String()
}

var pathWords = strings.Split("/ / / / . . ! !a !v a b.c v v1 v2 v0 v1.2 .v0 .v1 .v2 .v01 -unstable gopkg.in/ x.y/ 0 7 ~ ~1 - _ + @ % A é \xff con c!on aux.x com1 com0 !l!p!t9 nul lpt", " ")

func TestModuleStartAgreesWithXMod(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range samples {
		path := "/" + sentence(r, 7, pathWords)
		if requireModuleAgrees(t, path) {
			found++
		}
	}
	assert.Greater(t, found, samples/50, "the words make enough valid module paths")
}

// requireModuleAgrees compares with the rule of the package in terms of x/mod,
// and tells whether path holds a module path.
func requireModuleAgrees(t *testing.T, path string) bool {
	t.Helper()
	want := Request{}
	for i := range len(path) {
		// The added element takes the place of the last one, whose major version counts later.
		if path[i] != '/' || path[len(path)-1] == '/' {
			continue
		}
		if _, err := module.UnescapePath(path[i+1:] + "/x.v1"); err != nil {
			continue
		}
		if mod, err := module.UnescapePath(path[i+1:]); err == nil {
			want = Request{Operation: List, Prefix: strings.TrimRight(path[:i], "/"), Module: mod}
		}
		break
	}
	got := Parse(path + "/@v/list")
	require.Equal(t, want, got, "%q", path)

	mod, err := module.UnescapePath(path[1:])
	if err == nil {
		require.Equal(t, mod, got.Module, "a path without prefix is read as it is: %q", path)
		require.Empty(t, got.Prefix)
	}
	lookup := Parse("/sumdb/a.b/lookup" + path + "@v1.0.0")
	require.Equal(t, err == nil, lookup.SumDBKind == SumDBLookup, "%q", path)

	if want.Module != "" {
		escaped, err := module.EscapePath(got.Module)
		require.NoError(t, err)
		require.Equal(t, escaped, escape(got.Module))
	}
	return want.Module != ""
}

var versionWords = strings.Split("v v1 v2 1 0 01 .0 .1 .2.3 . - + ! !a !r!c !n!u!l con com1 com a @ # % & $ ( ) , = [ ] ^ _ { } ~ ~1 \" ' * < > ? ` | \\ : A é \xff \x00 +incompatible v1.2.3 v1.0.0- 20260527015227 -abcdef123456", " ")

func TestVersionAgreesWithXMod(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range samples {
		if requireVersionAgrees(t, sentence(r, 5, versionWords)) {
			found++
		}
	}
	assert.Greater(t, found, samples/50, "the words make enough valid versions")
	requireVersionAgrees(t, " ")
}

// requireVersionAgrees tells whether escaped is a valid version.
func requireVersionAgrees(t *testing.T, escaped string) bool {
	t.Helper()
	version, err := module.UnescapeVersion(escaped)
	require.Equal(t, err == nil, validVersion(escaped), "%q", escaped)
	if err != nil {
		return false
	}
	require.Equal(t, version, unescape(escaped))
	require.Equal(t, escaped, escape(version))
	back, err := module.EscapeVersion(version)
	require.NoError(t, err)
	require.Equal(t, escaped, back)

	canonical := version == module.CanonicalVersion(version)
	require.Equal(t, canonical, isCanonical(version), "%q", version)
	const mod = "example.com/m"
	info := Parse("/" + mod + "/@v/" + escaped + ".info").Operation
	if canonical && module.Check(mod, version) == nil {
		require.Equal(t, Info, info, "%q", version)
	} else {
		require.Equal(t, Query, info, "%q", version)
	}
	return true
}

var tileWords = strings.Split("8/ 0/ 1/ 30/ 31/ 08/ -1/ +1/ data/ 99999999999999999999/ x000/ x001/ x999/ x9/ 000 001 456 1000 .p/ .p/1 .p/255 .p/256 .p/01 .p / x", " ")

func TestTileAgreesWithXMod(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	found := 0
	for range samples {
		tile := "8/0/" + sentence(r, 5, tileWords)
		if r.IntN(2) == 0 {
			tile = sentence(r, 6, tileWords)
		}
		if requireTileAgrees(t, tile) {
			found++
		}
	}
	assert.Greater(t, found, samples/200, "the words make enough valid tiles")
	for _, tile := range []string{
		"1/0/x009/x223/x372/x036/x854/x775/807", // math.MaxInt64.
		"1/0/x009/x223/x372/x036/x854/x775/808",
		"1/0/x018/x446/x744/x073/x709/x551/617", // 1<<64 + 1.
		"1/0/x999/x999/x999/x999/x999/x999/x999/999",
		"30/9223372036854775807/000.p/1073741823",
		"30/9223372036854775808/000",
	} {
		requireTileAgrees(t, tile)
	}
}

// requireTileAgrees tells whether tile is one.
func requireTileAgrees(t *testing.T, tile string) bool {
	t.Helper()
	_, err := tlog.ParseTilePath("tile/" + tile)
	require.Equal(t, err == nil, validTile(tile), "%q", tile)
	return err == nil
}
