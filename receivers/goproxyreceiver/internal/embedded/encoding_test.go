// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGzipThatNobodyAskedFor is case 25: every kind of answer is decoded, kept and
// served as it is without.
func TestGzipThatNobodyAskedFor(t *testing.T) {
	u := newUpstream(t, 1000)
	gosumdb := u.withSumDB(t, "")
	behind := u.fault
	packed := func(w http.ResponseWriter, content []byte) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(content)
		_ = z.Close()
	}
	u.setFault(func(w http.ResponseWriter, r *http.Request) bool {
		if content, ok := u.files[r.URL.Path]; ok {
			packed(w, []byte(content))
			return true
		}
		var plain recorded
		if behind(&plain, r) {
			packed(w, plain.Bytes())
			return true
		}
		return false
	})
	g := start(t, u.URL, map[string]string{"GOSUMDB": gosumdb})
	for _, path := range []string{"/" + stem + ".info", "/" + stem + ".mod", zipPath, "/example.com/m/@v/list", "/example.com/m/@latest", "/example.com/m/@v/master.info"} {
		for range 2 {
			a := g.get(t, path)
			assert.Equal(t, 200, a.StatusCode, path)
			assertSame(t, u.files[path], a.body)
			assert.Empty(t, a.Header.Get("Content-Encoding"))
		}
	}
	assert.Contains(t, g.get(t, db+"/lookup/example.com/m@v1.0.0").body, "example.com/m v1.0.0 h1:")

	var bomb bytes.Buffer // made before it is asked for: that takes longer than the upstream may
	z := gzip.NewWriter(&bomb)
	for range 64 {
		_, err := z.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	u.setFault(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
		return true
	})
	for _, path := range []string{"/example.com/bomb/@v/list", "/example.com/bomb/@v/v1.0.0.mod"} {
		assert.Equal(t, 502, g.get(t, path).StatusCode, "a bomb")
	}
	require.Equal(t, "bad_response", g.last().Error)
}

type recorded struct {
	bytes.Buffer
	header http.Header
}

func (r *recorded) Header() http.Header {
	if r.header == nil {
		r.header = make(http.Header)
	}
	return r.header
}

func (r *recorded) WriteHeader(int) {}

var _ io.Writer = (*recorded)(nil)
