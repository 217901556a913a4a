// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
)

func startBounded(t *testing.T, u *upstream, dir string, change func(*Settings)) *rig {
	t.Helper()
	s := Settings{
		Dir: dir, GOPROXY: u.URL, Env: map[string]string{"GOSUMDB": "off"},
		Timeouts: chain.Timeouts{Header: 2 * time.Second, Idle: 2 * time.Second},
	}
	change(&s)
	g := &rig{dir: dir}
	g.open(t, s)
	return g
}

func (g *rig) assertMiss(t *testing.T, reason string) {
	t.Helper()
	a := g.last()
	assert.Equal(t, exchange.Miss, a.Result)
	assert.Equal(t, reason, a.MissReason)
	assert.Len(t, a.Attempts, 1)
}

func TestEvictionIsTheReasonOfTheNextMiss(t *testing.T) {
	u := newUpstream(t, 10_000)
	dir := t.TempDir()
	bounded := func(s *Settings) { s.MaxSize = 20_000 } // one block in three folders
	g := startBounded(t, u, dir, bounded)
	modPath, zipPath := "/"+stem+".mod", "/"+stem+".zip"
	g.get(t, modPath)
	g.assertMiss(t, "cold")
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "download", modPath), old, time.Time{}))

	zip := g.get(t, zipPath)
	g.assertMiss(t, "cold")
	assert.Equal(t, u.files[zipPath], zip.body, "a file beyond the bound is served all the same")
	require.Eventually(t, func() bool {
		used, known := g.proxy.Usage()
		return known && used.Files == 0
	}, time.Minute, time.Millisecond)
	used, _ := g.proxy.Usage()
	assert.EqualValues(t, 2, used.Evictions, "the least recently used one did not make enough room")
	assert.Zero(t, used.Files)

	g.get(t, modPath)
	g.assertMiss(t, "evicted")
	g.get(t, modPath)
	assertAccount(t, g.last(), exchange.Hit, 0)

	g.Close()
	g.proxy.Close()
	g = startBounded(t, u, dir, bounded)
	require.Eventually(t, func() bool {
		used, known := g.proxy.Usage()
		return known && used.Files == 1 && used.Size == 4*4096 && used.Evictions == 2
	}, time.Minute, time.Millisecond)
	assert.Equal(t, 404, g.do(t, "GET", zipPath, "Disable-Module-Fetch", "true").StatusCode)
	assert.Equal(t, "evicted", g.last().MissReason)
	g.get(t, zipPath)
	g.assertMiss(t, "evicted")
}

func TestListTTL(t *testing.T) {
	for _, tt := range []struct{ name, path string }{
		{"list", "/example.com/m/@v/list"},
		{"latest", "/example.com/m/@latest"},
		{"query", "/example.com/m/@v/master.info"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t, 10)
			g := startBounded(t, u, t.TempDir(), func(s *Settings) { s.ListTTL = time.Hour })
			stored := filepath.Join(g.dir, "download", tt.path)
			age := func(by time.Duration) {
				require.NoError(t, os.Chtimes(stored, time.Time{}, time.Now().Add(-by)))
			}
			g.get(t, tt.path)
			g.assertMiss(t, "cold")
			fresh := g.get(t, tt.path)
			assertAccount(t, g.last(), exchange.Hit, 0)
			assert.Equal(t, u.files[tt.path], fresh.body)
			age(59 * time.Minute)
			g.get(t, tt.path)
			assertAccount(t, g.last(), exchange.Hit, 0)

			age(61 * time.Minute)
			g.get(t, tt.path)
			g.assertMiss(t, "expired")
			g.get(t, tt.path)
			assertAccount(t, g.last(), exchange.Hit, 0)
			assert.Len(t, u.paths(), 2, "the same answer is fresh again")

			age(61 * time.Minute)
			u.setFault(down)
			stale := g.get(t, tt.path)
			assertAccount(t, g.last(), exchange.Stale, 1)
			assert.Equal(t, u.files[tt.path], stale.body)
			g.do(t, "GET", tt.path, "Disable-Module-Fetch", "true")
			assertAccount(t, g.last(), exchange.Hit, 0)
		})
	}
}

func TestNothingFoundIsNotKept(t *testing.T) {
	u := newUpstream(t, 10)
	g := startBounded(t, u, t.TempDir(), func(s *Settings) { s.ListTTL = time.Hour })
	for range 2 {
		assert.Equal(t, 404, g.get(t, "/example.com/unknown/@v/list").StatusCode)
		g.assertMiss(t, "cold")
	}
}
