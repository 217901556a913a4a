// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy_test

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/goproxy/spelltest"
)

func TestFold(t *testing.T) {
	for _, tt := range []struct {
		text     string
		want     string
		dots, up bool
	}{
		{"", "", false, false},
		{"/", "", false, false},
		{"/github.com/!burnt!sushi/toml/@v/list", "/github.com/burntsushi/toml/v/list", false, false},
		{"/github.com/%21burnt%2521sushi/toml/@v/list", "/github.com/burntsushi/toml/v/list", false, false},
		{"//GitHub.com%2f%5CX\\y?a=b.c/d", "/github.com/x/y/a/b.c/d", false, false},
		{"/a/./b/", "/a/b", true, false},
		{"/a/%2e%252E;x=1/b", "/a/x/1/b", true, true},
		{"/a../.b", "/a/.b", false, false},
		{"/...", "", true, true},
		{"/%%32%65%25", "", true, false},
		{"/a%zz%2", "/a/zz/2", false, false},
	} {
		got := goproxy.Fold(tt.text)
		assert.Equal(t, goproxy.Folded{Text: tt.want, Dots: tt.dots, Up: tt.up}, got, tt.text)
	}
	assert.Equal(t, "/a.b/c/d", goproxy.Fold("", "a.b", "/c/", "d").Text)
}

func TestBelow(t *testing.T) {
	f, ok := goproxy.Fold("/x/SUMDB/sum.golang.org/lookup").Below("sumdb")
	assert.True(t, ok)
	assert.Equal(t, "/sum.golang.org/lookup", f.Text)
	f, ok = goproxy.Fold("/x/sumdb").Below("sumdb")
	assert.True(t, ok)
	assert.Empty(t, f.Text)
	_, ok = goproxy.Fold("/x/sumdbs").Below("sumdb")
	assert.False(t, ok)
}

// TestFoldTakesLinearTime: a client may send as much as a header may hold.
func TestFoldTakesLinearTime(t *testing.T) {
	for _, s := range []string{strings.Repeat("%25", 1<<18), "%" + strings.Repeat("25", 1<<19), strings.Repeat("%2", 1<<18), strings.Repeat("/..", 1<<18), strings.Repeat("!", 1<<20)} {
		begin := time.Now()
		goproxy.Fold(s)
		assert.Less(t, time.Since(begin), 10*time.Second, s[:9])
	}
}

// requireFolded holds Fold against what others may read in a target.
func requireFolded(t *testing.T, target string) {
	t.Helper()
	f := goproxy.Fold(target)
	require.Equal(t, f.Text, goproxy.Fold(f.Text).Text, "folding twice is folding once: %q", target)
	require.False(t, f.Up && !f.Dots)
	for element := range f.Elements() {
		require.NotEmpty(t, strings.Trim(element, "."))
	}
	if f.Dots {
		return
	}
	cut, _, _ := strings.Cut(target, "?")
	for _, r := range spelltest.Readings(cut) {
		require.NotContains(t, strings.Split(strings.ReplaceAll(r, "\\", "/"), "/"), "..", "%q", target)
		require.True(t, strings.HasPrefix(path.Clean("/base/"+r), "/base"), "%q", target)
	}
}

func requirePlain(t *testing.T, target string) {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil || u.Host != "" || u.Opaque != "" {
		return
	}
	r := goproxy.Parse(u.Path)
	if !r.Plain(target, u.Path) {
		return
	}
	require.NotEqual(t, goproxy.Other, r.Operation)
	require.Equal(t, r.Prefix+"/"+r.File(), u.Path)
	require.False(t, goproxy.Fold(r.Prefix).Dots)
	require.Empty(t, u.RawQuery)
}

func TestSpellings(t *testing.T) {
	speller := spelltest.New(1)
	for range 5_000 {
		for _, target := range []string{speller.Module("github.com/MyCorp/secret"), speller.Upward()} {
			requireFolded(t, target)
			requirePlain(t, target)
		}
	}
}

// TestTheGoCommandsSpellingIsPlain: whatever it asks for, in the way that it does.
func TestTheGoCommandsSpellingIsPlain(t *testing.T) {
	for _, file := range []string{
		"github.com/!burnt!sushi/toml/@v/list", "example.com/m/@latest", "example.com/m/v2/@v/v2.0.0-!r!c1.info", "example.com/m/@v/v1.0.0+incompatible.zip",
		"example.com/m/@v/a b#c%d&e(f),g=h@i[j]^k_l{m}~n.info", "example.com/m/@v/100%.info", "sumdb/sum.golang.org/supported", "sumdb/sum.golang.org:8443/x/latest",
		"sumdb/sum.golang.org/lookup/github.com/!burnt!sushi/toml@v1.0.0", "sumdb/sum.golang.org/tile/8/0/x123/456.p/7",
	} {
		for _, prefix := range []string{"", "/api/go/my repo"} {
			// As proxyRepo.getBody in cmd/go/internal/modfetch writes it.
			target := strings.ReplaceAll(url.PathEscape(prefix+"/"+file), "%2F", "/")
			r := goproxy.Parse(prefix + "/" + file)
			require.Equal(t, file, r.File())
			assert.True(t, r.Plain(target, prefix+"/"+file), target)
		}
	}
}

func TestNotPlain(t *testing.T) {
	for _, target := range []string{
		"/a.b/c/@v/list?", "/a.b/c/@v/list?x=1", "/a.b/c/@v/list#x", "/a.b%2fc/@v/list", "//a.b/c/@v/list", "/x//a.b/c/@v/list", "/../a.b/c/@v/list", "/x/./a.b/c/@v/list",
		"/x;y/a.b/c/@v/list", "/x%5cy/a.b/c/@v/list", "/x%2541/a.b/c/@v/list", "/a.b/c/@v/%2541.info", "/é/a.b/c/@v/list", "/SumDB/a.b/c/@v/list", "/a.b", "/",
	} {
		u, err := url.ParseRequestURI(target)
		require.NoError(t, err)
		assert.False(t, goproxy.Parse(u.Path).Plain(target, u.Path), target)
	}
}

func TestParseSumDB(t *testing.T) {
	for _, file := range []string{"latest", "supported", "lookup/golang.org/x/mod@v0.42.0", "tile/8/0/x123/456.p/17"} {
		assert.Equal(t, goproxy.Parse("/sumdb/sum.golang.org/"+file), goproxy.ParseSumDB("sum.golang.org", "/"+file))
		assert.Equal(t, "sumdb/notary/"+file, goproxy.ParseSumDB("notary", "/"+file).File(), "the user's own database needs no dot")
	}
	assert.Equal(t, goproxy.Request{}, goproxy.ParseSumDB("sum.golang.org", "/other"))
	assert.Equal(t, goproxy.Request{}, goproxy.ParseSumDB("sum.golang.org", "/lookup/../x@v1.0.0"))
}

func FuzzFold(f *testing.F) {
	speller := spelltest.New(3)
	for range 100 {
		f.Add(speller.Module("github.com/MyCorp/secret"))
		f.Add(speller.Upward())
	}
	f.Fuzz(func(t *testing.T, target string) {
		if strings.HasPrefix(target, "/") && len(target) < 300 {
			requireFolded(t, target)
			requirePlain(t, target)
		}
	})
}

func BenchmarkFold(b *testing.B) {
	for _, target := range []string{"/github.com/stretchr/testify/@v/v1.11.1.info", "/github.com/%21burnt%21sushi/toml/@v/v1.5.0.zip"} {
		b.Run(target, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				goproxy.Fold(target)
			}
		})
	}
}

func TestElementsStop(t *testing.T) {
	var seen []string
	for element, rest := range goproxy.Fold("/a/b/c").Elements() {
		seen = append(seen, element+" "+rest)
		if element == "b" {
			break
		}
	}
	assert.True(t, slices.Equal([]string{"a /b/c", "b /c"}, seen))
}

func TestFoldBare(t *testing.T) {
	for target, want := range map[string]string{
		"/a;v=1/b": "/a/b", "/a;/b;c;d": "/a/b", "/a%3bx/b": "/a/b", "/a%253bx%252fb": "/a/b", "/a;x\\b": "/a/b", "/;x/b": "/b", "/a/b": "/a/b", ";": "",
	} {
		assert.Equal(t, want, goproxy.FoldBare(target).Text, target)
	}
	assert.True(t, goproxy.FoldBare("/a/..;x/b").Up, "a dot segment to who cuts parameters")
}
