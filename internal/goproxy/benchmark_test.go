// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// hot holds paths as a proxy sees them all day.
var hot = []struct{ name, path string }{
	{"info", "/github.com/stretchr/testify/@v/v1.11.1.info"},
	{"info below prefix", "/api/go/repo/github.com/stretchr/testify/@v/v1.11.1.info"},
	{"mod with major", "/github.com/cenkalti/backoff/v5/@v/v5.0.3.mod"},
	{"zip of pseudo-version", "/golang.org/x/exp/@v/v0.0.0-20260527015227-08cc5374adb3.zip"},
	{"zip incompatible", "/github.com/docker/docker/@v/v28.5.2+incompatible.zip"},
	{"toolchain", "/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip"},
	{"list", "/golang.org/x/mod/@v/list"},
	{"latest", "/golang.org/x/mod/@latest"},
	{"query", "/golang.org/x/mod/@v/v0.42.info"},
	{"lookup", "/sumdb/sum.golang.org/lookup/golang.org/x/mod@v0.42.0"},
	{"tile", "/sumdb/sum.golang.org/tile/8/0/x123/456.p/17"},
	{"other", "/favicon.ico"},
}

func TestParseDoesNotAllocate(t *testing.T) {
	for _, tt := range hot {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			var route, name string
			allocs := testing.AllocsPerRun(100, func() {
				r = Parse(tt.path)
				route, name = r.Route(), r.Operation.String()
				_ = r.Incompatible()
				_, _, _, _ = r.Toolchain()
			})
			assert.Zero(t, allocs)
			assert.NotEmpty(t, name)
			assert.Equal(t, r.Operation == Other, route == "")
		})
	}
}

func TestParseAllocatesOnceForCapitals(t *testing.T) {
	var r Request
	allocs := testing.AllocsPerRun(100, func() { r = Parse("/github.com/!burnt!sushi/toml/@v/v1.5.0.info") })
	assert.LessOrEqual(t, allocs, 1.0)
	assert.Equal(t, "github.com/BurntSushi/toml", r.Module)
}

// A client may send a megabyte; the time must stay linear in it.
func TestParseLongPaths(t *testing.T) {
	for _, tt := range []struct{ name, path string }{
		{"hosts", strings.Repeat("/a.b", 1<<18) + "/@v/list"},
		{"hosts before a bad element", strings.Repeat("/a.b", 1<<18) + "/A/@v/list"},
		{"hosts before a bad major version", strings.Repeat("/a.b", 1<<18) + "/v1/@v/list"},
		{"slashes", strings.Repeat("/", 1<<20) + "@v/list"},
		{"sumdb", strings.Repeat("/sumdb", 1<<17) + "/latest"},
		{"sumdb hosts", strings.Repeat("/sumdb/a.b", 1<<17) + "/key"},
		{"tile", "/sumdb/a.b/tile/8/0" + strings.Repeat("/x999", 1<<18) + "/999"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			r := Parse(tt.path)
			assert.Less(t, time.Since(begin), 10*time.Second)
			assert.Equal(t, tt.name == "hosts", r.Operation == List)
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, tt := range append(slices.Clip(hot), struct{ name, path string }{"capitals", "/github.com/!burnt!sushi/toml/@v/v1.5.0.info"}) {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			var r Request
			for b.Loop() {
				r = Parse(tt.path)
			}
			_ = r
		})
	}
}

func BenchmarkRequestFile(b *testing.B) {
	r := Parse(hot[0].path)
	b.ReportAllocs()
	for b.Loop() {
		_ = r.File()
	}
}

func BenchmarkRequestPseudo(b *testing.B) {
	for _, version := range []string{"v1.11.1", "v0.0.0-20260527015227-08cc5374adb3"} {
		b.Run(version, func(b *testing.B) {
			b.ReportAllocs()
			r := Request{Version: version}
			for b.Loop() {
				_ = r.Pseudo()
			}
		})
	}
}
