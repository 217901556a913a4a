// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMissingModuleOverHTTPS: a go get of a package that no module provides is one
// "not found", of the package; where else the go command looked is told as probes, what
// it sent again as twins, and none is an error. A 500 of the upstream is one, once.
func TestMissingModuleOverHTTPS(t *testing.T) {
	o := newOrigin(t)
	cert, key := selfSigned(t)
	m := start(t, append(o.goproxy(), "MODTAP_TLS_CERT="+cert, "MODTAP_TLS_KEY="+key))
	c := newClient(t, m.proxy, []byte("module example.com/m\n\ngo 1.26\n"), "SSL_CERT_FILE="+cert, "GOSUMDB=off")
	out, err := c.run("get", "-x", "example.com/a/b/c@v1.0.0")
	require.Error(t, err, "%s", out)
	outcomes := map[string]int{}
	for _, d := range m.quiet() {
		outcomes[d.Goproxy.Outcome]++
		assert.Equal(t, 404, d.HTTP.Response.StatusCode)
	}
	asked := len(gets.FindAll(out, -1))
	t.Logf("go get made %d requests, each sent twice: %v", asked, outcomes)
	assert.Equal(t, map[string]int{"not_found": 1, "probe": asked - 1, "retry_twin": asked}, outcomes)

	o.add(t, "example.com/broken", 10)
	o.mu.Lock()
	o.failing = map[string]int{"/example.com/broken/@v/v1.0.0.mod": http.StatusInternalServerError}
	o.mu.Unlock()
	told := len(m.documents())
	out, err = c.run("mod", "download", "example.com/broken@v1.0.0")
	require.Error(t, err, "%s", out)
	failures := 0
	for _, d := range m.quiet()[told:] {
		if d.Goproxy.Outcome == "upstream_error" {
			failures++
			assert.Equal(t, http.StatusBadGateway, d.HTTP.Response.StatusCode)
		}
	}
	_, page := get(t, "http://"+m.metrics+"/metrics")
	assert.Contains(t, string(page), `goproxy_outcome="upstream_error"`)
	t.Logf("a 500 of the upstream: %d failure", failures)
	assert.Equal(t, 1, failures)
}

// TestResumedDownload: a client that lost its connection resumes with Range; the
// parts are one download, and each counts the bytes that were really sent.
func TestResumedDownload(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/big", 32<<20)
	m := start(t, o.goproxy())
	const zipPath = "/example.com/big/@v/v1.0.0.zip"
	getOK(t, m.proxy+zipPath) // it is in the cache

	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.proxy+zipPath, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, resp.Body, 1<<20)
	require.NoError(t, err)
	leave()
	resp.Body.Close()
	m.settled(2) // it was heard that the client left

	req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, m.proxy+zipPath, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Range", "bytes=1048576-")
	req.Header.Set("If-Range", resp.Header.Get("ETag"))
	rest, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer rest.Body.Close()
	require.Equal(t, http.StatusPartialContent, rest.StatusCode)
	n, err := io.Copy(io.Discard, rest.Body)
	require.NoError(t, err)

	docs := m.settled(3)
	assert.Equal(t, "client_gone", docs[1].Goproxy.Outcome)
	assert.Less(t, docs[1].HTTP.Response.Body.Bytes, int64(32<<20), "what was really sent")
	assert.Equal(t, docs[1].Span.ID, docs[2].Goproxy.Download.Resumes)
	assert.Equal(t, n, docs[2].HTTP.Response.Body.Bytes)
}
