// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"

	"github.com/modtap/modtap/internal/exchange"
)

const db = "/sumdb/sum.example"

// withTree lets the upstream pass on a checksum database of 600 records, of the
// modules example.com/m0 and so on. change, if not nil, may change what it says.
func (u *upstream) withTree(t *testing.T, change func(path string, content []byte) []byte) (gosumdb string) {
	t.Helper()
	signer, key, err := note.GenerateKey(rand.Reader, "sum.example")
	require.NoError(t, err)
	records := sumdb.NewTestServer(signer, func(path, version string) ([]byte, error) {
		return fmt.Appendf(nil, "%s %s h1:%043d=\n%s %s/go.mod h1:%043d=\n", path, version, 1, path, version, 2), nil
	})
	for i := range 600 {
		_, err := records.Lookup(t.Context(), module.Version{Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"})
		require.NoError(t, err)
	}
	server := sumdb.NewServer(records)
	u.setFault(func(w http.ResponseWriter, r *http.Request) bool {
		path, ok := strings.CutPrefix(r.URL.Path, db)
		if !ok || path == "/supported" {
			return false
		}
		if change == nil {
			change = func(_ string, content []byte) []byte { return content }
		}
		http.StripPrefix(db, server).ServeHTTP(&changed{w, path, change}, r)
		return true
	})
	return key
}

type changed struct {
	http.ResponseWriter
	path   string
	change func(path string, content []byte) []byte
}

func (w *changed) Write(content []byte) (int, error) {
	if _, err := w.ResponseWriter.Write(w.change(w.path, content)); err != nil {
		return 0, err
	}
	return len(content), nil
}

func lookup(i int) string { return fmt.Sprintf("%s/lookup/example.com/m%d@v1.0.0", db, i) }

func TestSumDBIsPassedOn(t *testing.T) {
	u := newUpstream(t, 1000)
	g := start(t, u.URL, map[string]string{"GOSUMDB": u.withTree(t, nil)})

	assert.Equal(t, 200, g.get(t, db+"/supported").StatusCode)
	assertAccount(t, g.last(), exchange.Bypass, 1)
	assert.Equal(t, 200, g.get(t, db+"/supported").StatusCode)
	assertAccount(t, g.last(), exchange.Hit, 0)

	g.get(t, db+"/tile/8/0/000")
	assert.Equal(t, exchange.Bypass, g.last().Result, "as long as no head of the tree is known no tile can be verified")
	first := g.get(t, lookup(7))
	assert.Contains(t, first.body, "example.com/m7 v1.0.0 h1:")
	assert.Equal(t, exchange.Miss, g.last().Result)
	assert.Greater(t, len(g.last().Attempts), 1, "the tiles that verify it are part of the miss")
	again := g.get(t, lookup(7))
	assert.Equal(t, first.body, again.body)
	assert.Equal(t, first.Header.Get("ETag"), again.Header.Get("ETag"))
	assertAccount(t, g.last(), exchange.Hit, 0)

	assert.Contains(t, g.get(t, db+"/latest").body, "go.sum database tree")
	assertAccount(t, g.last(), exchange.Bypass, 1)

	tile := g.get(t, db+"/tile/8/0/001")
	assert.Len(t, tile.body, 8192)
	assert.Equal(t, "application/octet-stream", tile.Header.Get("Content-Type"))
	assertAccount(t, g.last(), exchange.Miss, 1)
	assert.Equal(t, tile.body, g.get(t, db+"/tile/8/0/001").body)
	assertAccount(t, g.last(), exchange.Hit, 0)
	g.get(t, db+"/tile/8/0/000")
	assertAccount(t, g.last(), exchange.Hit, 0)
	for path, size := range map[string]int{"/tile/8/0/002.p/3": 96, "/tile/8/data/000": -1, "/tile/4/0/001": 512} {
		passed := g.get(t, db+path)
		assert.Equal(t, 200, passed.StatusCode, path)
		assert.True(t, size < 0 || len(passed.body) == size, path)
		assert.Equal(t, exchange.Bypass, g.last().Result, path)
	}
	assert.Equal(t, 404, g.get(t, "/sumdb/unknown.example/supported").StatusCode)
	assert.Equal(t, 404, g.get(t, "/sumdb/127.0.0.1/latest").StatusCode)
}

// TestWhatADatabaseSaysIsVerified lets each kind of answer be wrong once: it isn't
// kept, and as soon as the database is right again so is what clients get.
func TestWhatADatabaseSaysIsVerified(t *testing.T) {
	flip := func(content []byte) []byte {
		content[len(content)/2] ^= 1
		return content
	}
	for name, tt := range map[string]struct {
		path string
		lie  func(path string, content []byte) []byte
	}{
		"case 23: one wrong tile": {db + "/tile/8/0/001", func(path string, content []byte) []byte {
			if path == "/tile/8/0/001" {
				return flip(content)
			}
			return content
		}},
		"case 23: the record of another module": {lookup(9), func(_ string, content []byte) []byte {
			return []byte(strings.ReplaceAll(string(content), "example.com/m9 ", "example.com/m8 "))
		}},
		"a record with another hash": {lookup(9), func(_ string, content []byte) []byte {
			return []byte(strings.Replace(string(content), "0001=", "0003=", 1))
		}},
		"a record with a line of another version": {lookup(9), func(_ string, content []byte) []byte {
			return []byte(strings.Replace(string(content), " v1.0.0/go.mod", " v1.0.1/go.mod", 1))
		}},
		"a head that nobody signed": {lookup(9), func(_ string, content []byte) []byte {
			return []byte(strings.Replace(string(content), "— sum.example ", "— sum.example A", 1))
		}},
		"a sign-in page as a record": {lookup(9), func(string, []byte) []byte { return []byte("<html>sign in</html>") }},
		"a sign-in page as a tile":   {db + "/tile/8/0/001", func(string, []byte) []byte { return []byte("<html>sign in</html>") }},
		"a tile of one more hash":    {db + "/tile/8/0/001", func(_ string, content []byte) []byte { return append(content, content[:32]...) }},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, 10)
			lying := false
			key := u.withTree(t, func(path string, content []byte) []byte {
				if lying {
					return tt.lie(path, content)
				}
				return content
			})
			g := start(t, u.URL, map[string]string{"GOSUMDB": key})
			g.get(t, lookup(1)) // The head of the tree is known from here on.
			lying = true
			assert.Equal(t, 502, g.get(t, tt.path).StatusCode)
			lying = false
			healed := g.get(t, tt.path)
			assert.Equal(t, 200, healed.StatusCode, healed.body)
			assert.Equal(t, exchange.Miss, g.last().Result)
			assert.Equal(t, healed.body, g.get(t, tt.path).body)
			assertAccount(t, g.last(), exchange.Hit, 0)
		})
	}
}

// TestUnknownDatabasesAreNotKept asks for names and paths of which one could plant
// a folder where another's file belongs.
func TestUnknownDatabasesAreNotKept(t *testing.T) {
	for _, env := range []string{"off", "key"} {
		t.Run("GOSUMDB="+env, func(t *testing.T) {
			u := newUpstream(t, 10)
			key := u.withTree(t, nil)
			if env == "off" {
				key = env
			}
			g := start(t, u.URL, map[string]string{"GOSUMDB": key})
			for _, name := range []string{
				"sum.golang.org/tile/8/0/005", "sum.example/tile/8/0/001", "sum.example/x",
				"other.example", "sum.example:443",
			} {
				u.put("/sumdb/"+name+"/supported", "")
				u.put("/sumdb/"+name+"/tile/8/0/000", strings.Repeat("h", 8192))
				u.put("/sumdb/"+name+"/lookup/example.com/m@v1.0.0", "1\nexample.com/m v1.0.0 h1:x\n\nhead\n")
				for _, path := range []string{"/tile/8/0/000", "/lookup/example.com/m@v1.0.0"} {
					a := g.get(t, "/sumdb/"+name+path)
					t.Logf("case 23: %s%s: %d", name, path, a.StatusCode)
					if a.StatusCode == http.StatusOK {
						assert.Equal(t, exchange.Bypass, g.last().Result)
					}
				}
			}
			assert.Empty(t, g.cached(t))
			heads, err := filepath.Glob(filepath.Join(g.dir, "sumdb", "[^.]*"))
			require.NoError(t, err)
			assert.Empty(t, heads)
		})
	}
}

// TestWhatIsKeptOfADatabaseRots breaks kept records and tiles, and the head.
func TestWhatIsKeptOfADatabaseRots(t *testing.T) {
	u := newUpstream(t, 10)
	g := start(t, u.URL, map[string]string{"GOSUMDB": u.withTree(t, nil)})
	for i := range 3 {
		g.get(t, lookup(i))
	}
	require.NoError(t, filepath.WalkDir(g.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			require.NoError(t, os.WriteFile(path, []byte("rotten"), 0o600))
		}
		return err
	}))
	a := g.get(t, lookup(300))
	assert.Equal(t, 200, a.StatusCode, a.body)
	assert.NoError(t, g.proxy.verifier.verify(t.Context(), nil, "m.zip", module.Version{Path: "example.com/m301", Version: "v1.0.0"}, fmt.Sprintf("h1:%043d=", 1)))
}
