// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/modcache"
)

// receiveAhead writes content in pieces of a seed and returns the draft.
func receiveAhead(t testing.TB, content []byte, seed uint64) *draft {
	t.Helper()
	cache, err := modcache.Open(t.TempDir())
	require.NoError(t, err)
	file, err := cache.Create(t.Context(), stem+".zip")
	require.NoError(t, err)
	d := &draft{Draft: file, ahead: hashAhead(file, nil)}
	t.Cleanup(func() {
		d.ahead.abandon()
		d.Discard()
	})
	rnd := rand.New(rand.NewPCG(seed, 1))
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 1+rnd.IntN(1<<rnd.IntN(20)))
		_, err := d.Write(rest[:n])
		require.NoError(t, err)
		rest = rest[n:]
	}
	return d
}

// requireSameAhead checks that what was hashed ahead changes neither hash nor error.
func requireSameAhead(t testing.TB, content []byte, h1 string, err error) {
	t.Helper()
	d := receiveAhead(t, content, uint64(len(content)))
	got, aheadErr := checkZip(d.Path(), theModule, d.ahead.end())
	require.Equal(t, h1, got)
	require.Equal(t, err == nil, aheadErr == nil, "%v, ahead %v", err, aheadErr)
}

// oddZip is a zip of many entries, of each kind that there is.
func oddZip(t testing.TB, seed uint64) []byte {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 2))
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range 1 + rnd.IntN(40) {
		body := make([]byte, rnd.IntN(1<<rnd.IntN(18)))
		for j := range body {
			body[j] = byte(rnd.IntN(1 + rnd.IntN(256)))
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("%sf%d", root, (i*7)%101), Method: 8 * uint16(min(1, rnd.IntN(4)))})
		require.NoError(t, err)
		_, err = w.Write(body)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// TestHashedAheadIsTheSame: in whatever pieces a zip comes, and whichever byte of it is
// another, hash and error are those of the whole zip.
func TestHashedAheadIsTheSame(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zip")
	for seed := range uint64(60) {
		content := oddZip(t, seed)
		rnd := rand.New(rand.NewPCG(seed, 3))
		for range 3 {
			require.NoError(t, os.WriteFile(file, content, 0o600))
			h1, err := checkZip(file, theModule, nil)
			if err == nil {
				want, err := dirhash.HashZip(file, dirhash.DefaultHash)
				require.NoError(t, err)
				require.Equal(t, want, h1, "seed %d", seed)
			}
			requireSameAhead(t, content, h1, err)
			content = bytes.Clone(content)
			content[rnd.IntN(len(content))] ^= 1 << rnd.IntN(8)
		}
	}
	for name, content := range hostileZips(t) {
		require.NoError(t, os.WriteFile(file, content, 0o600))
		h1, err := checkZip(file, theModule, nil)
		require.Error(t, err, name)
		requireSameAhead(t, content, h1, err)
	}
}

// TestTheDirectorysWordCounts: a zip whose directory says otherwise than the headers in
// front of the data is what its directory says.
func TestTheDirectorysWordCounts(t *testing.T) {
	one := makeZip(t, goMod(ok("a.go"), part{name: root + "b.go", body: "package b\n", mode: 0o644})...)
	swapped := bytes.Clone(one)
	at := func(name string) int { return bytes.LastIndex(swapped, []byte(root+name)) - 46 }
	a, b := at("a.go")+42, at("b.go")+42 // where each entry's header is
	x, y := binary.LittleEndian.Uint32(swapped[a:]), binary.LittleEndian.Uint32(swapped[b:])
	binary.LittleEndian.PutUint32(swapped[a:], y)
	binary.LittleEndian.PutUint32(swapped[b:], x)
	file := filepath.Join(t.TempDir(), "zip")
	require.NoError(t, os.WriteFile(file, swapped, 0o600))
	h1, err := checkZip(file, theModule, nil)
	requireSameAhead(t, swapped, h1, err)
}

// TestZipsOfTheGoCommandAreHashedAhead, all of them but for what the last bytes bring.
func TestZipsOfTheGoCommandAreHashedAhead(t *testing.T) {
	content := []byte(moduleZipWith(t))
	d := receiveAhead(t, content, 1)
	require.Eventually(t, func() bool { return d.ahead.reached() }, time.Minute, time.Millisecond)
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	assert.Len(t, d.ahead.end(), len(z.File))
}

// reached reports whether nothing is left to hash.
func (a *ahead) reached() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// TestHashingHidesBehindTheDownload: the time of verify is what is left to do when all
// is there.
func TestHashingHidesBehindTheDownload(t *testing.T) {
	u := newUpstream(t, 1000)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range 200 {
		w, err := z.Create(fmt.Sprintf("%sf%d", root, i))
		require.NoError(t, err)
		_, err = io.CopyN(w, rand.NewChaCha8([32]byte{byte(i)}), 100<<10)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	content := b.Bytes()
	u.setFault(func(w http.ResponseWriter, _ *http.Request) bool {
		for n := len(content) / 40; len(content) > 0; n = min(n, len(content)) {
			_, _ = w.Write(content[:n])
			w.(http.Flusher).Flush()
			content = content[n:]
			time.Sleep(20 * time.Millisecond)
		}
		return true
	})
	g := start(t, u.URL, map[string]string{"GOSUMDB": "off"})
	require.Equal(t, 200, g.get(t, zipPath).StatusCode)
	parts := g.last().Phases.Parts()
	download, verify := parts[exchange.PhaseDownload], parts[exchange.PhaseVerify]
	assert.Greater(t, download.Duration, 500*time.Millisecond)
	assert.Less(t, verify.Duration, download.Duration/4, "what is left")
	assert.Less(t, verify.Start, download.Start.Add(download.Duration/2), "it began early")
}

// TestAbandonedAtOnce: an upstream that breaks off leaves nothing running.
func TestAbandonedAtOnce(t *testing.T) {
	content := []byte(moduleZipWith(t))
	for cut := range 20 {
		d := receiveAhead(t, content[:len(content)*cut/20], uint64(cut))
		d.ahead.abandon()
		d.ahead.abandon()
		d.Discard()
	}
	assert.Nil(t, (*ahead)(nil).end())
}
