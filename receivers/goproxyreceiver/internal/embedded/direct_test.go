// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/modcache"
)

// TestDirectBringsAllThree has a script in the place of the go command.
func TestDirectBringsAllThree(t *testing.T) {
	u := newUpstream(t, 1000)
	dir := t.TempDir()
	for _, ext := range []string{".info", ".mod", ".zip"} {
		require.NoError(t, writeFile(filepath.Join(dir, "f"+ext), u.files["/"+stem+ext]))
	}
	script := "#!/bin/sh\necho '{\"Info\":\"" + dir + "/f.info\",\"GoMod\":\"" + dir + "/f.mod\",\"Zip\":\"" + dir + "/f.zip\"}'\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))

	for _, tt := range []struct {
		name, patterns string
		env            map[string]string
		status         int
	}{
		{"allowed", "example.com", map[string]string{"GOSUMDB": "off", "GONOPROXY": "example.com/*"}, 200},
		{"verified", "example.com", map[string]string{"GOSUMDB": u.withSumDB(t, ""), "GONOPROXY": "example.com"}, 200},
		{"not allowed", "", map[string]string{"GOSUMDB": "off", "GONOPROXY": "example.com"}, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := &rig{dir: t.TempDir()}
			g.open(t, Settings{Dir: g.dir, GOPROXY: u.URL, Env: tt.env, DirectPatterns: tt.patterns})
			a := g.get(t, "/"+stem+".mod")
			assert.Equal(t, tt.status, a.StatusCode, a.body)
			assert.Equal(t, exchange.Miss, g.last().Result)
			assert.True(t, g.last().Attempts[0].Direct)
			assert.NotContains(t, u.paths(), "/"+stem+".mod", "no proxy hears of it")
			if tt.status != 200 {
				assert.Contains(t, a.body, "direct_patterns")
				return
			}
			assert.Equal(t, mod, a.body)
			for _, ext := range []string{".info", ".zip"} {
				assert.Equal(t, 200, g.get(t, "/"+stem+ext).StatusCode)
				assertAccount(t, g.last(), exchange.Hit, 0)
			}
		})
	}
}

// stubbornDirect leaves a file of 100 kB behind with each fetch, as git does.
type stubbornDirect struct {
	dir string
	n   int
}

func (d *stubbornDirect) Fetch(context.Context, string) (map[string]io.ReadSeekCloser, error) {
	d.n++
	name := filepath.Join(d.dir, "cache", "vcs", strconv.Itoa(d.n))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	return nil, os.WriteFile(name, make([]byte, 100_000), 0o600)
}

func TestWhatVersionControlLeavesIsBounded(t *testing.T) {
	dir := t.TempDir()
	d := newBoundedDirect(&stubbornDirect{dir: dir}, dir, 1<<20)
	most := int64(0)
	for range 50 {
		_, err := d.Fetch(t.Context(), "")
		require.NoError(t, err)
		d.measured = time.Time{} // a minute later
		most = max(most, modcache.Measure(dir, 1<<30))
	}
	assert.Less(t, most, int64(1<<20+120_000), "case 18: bounded on its own")
	assert.Greater(t, most, int64(1<<20))
	for range 20 {
		_, err := d.Fetch(t.Context(), "")
		require.NoError(t, err)
	}
	assert.Greater(t, modcache.Measure(dir, 1<<30), int64(1<<20), "it is measured once a minute")
}
