// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// startNginx runs deploy/nginx/nginx.conf and returns the directory of its logs.
func startNginx(t *testing.T, at map[string]string) string {
	t.Helper()
	program := backends.Program{Path: backends.Tool(t, "nginx")}
	dir := t.TempDir()
	// Its workers are another user, who has to come by: [testing.T.TempDir] is below a directory of the test's user alone.
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	config := replaced(t, readFile(t, "nginx", "nginx.conf"), map[string]string{
		proxyDefault: at[proxyDefault], egressDefault: at[egressDefault],
		"/var/cache/goproxy": filepath.Join(dir, "cache"), "/var/log/nginx": dir, "/run/nginx-goproxy.pid": filepath.Join(dir, "pid"),
		// Else below the directory that nginx was built with.
		"http {\n": "http {\n\tproxy_temp_path " + dir + "/proxy;\n\tclient_body_temp_path " + dir + "/body;\n\tfastcgi_temp_path " + dir +
			"/fastcgi;\n\tuwsgi_temp_path " + dir + "/uwsgi;\n\tscgi_temp_path " + dir + "/scgi;\n",
	})
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o644))
	backends.Launch(t, "nginx", program, []string{"-c", file, "-e", "stderr", "-g", "daemon off;"}, nil, func(context.Context) error {
		connection, err := net.Dial("tcp", at[proxyDefault])
		if err != nil {
			return err
		}
		return connection.Close()
	})
	return dir
}

// TestNginx runs deploy/nginx.
func TestNginx(t *testing.T) {
	at := addresses(t)
	s := besides(t, replaced(t, readFile(t, "nginx", "modtap.env"), at))
	dir := startNginx(t, at)
	s.downloadTwice(t)
	assert.Empty(t, readLog(t, filepath.Join(dir, "goproxy-error.log")))
	lines := readLog(t, filepath.Join(dir, "goproxy.jsonl"))
	assert.Greater(t, len(lines), 2*modules)
	for _, line := range lines {
		assert.True(t, json.Valid([]byte(line)), line)
	}
	t.Logf("nginx wrote %d lines of JSON, the last: %s", len(lines), lines[len(lines)-1])
}

// TestNginxPassesOn: what isn't a file of a version is asked each time, an error keeps its status and isn't kept, ranges and HEAD
// are served from the cache, and a Modtap that has seen no fetch reads what nginx says of its cache.
func TestNginxPassesOn(t *testing.T) {
	const module = "example.com/cached"
	at := addresses(t)
	s := besides(t, replaced(t, readFile(t, "nginx", "modtap.env"), at)+"MODTAP_EGRESS_UPSTREAM="+originOf(t, module)+"\n")
	startNginx(t, at)
	const file = "/@v/v1.0.0.zip"
	for _, tt := range []struct {
		path, method, span string
		status             int
		first, second      string // X-Cache-Status
	}{
		{path: "/@v/list", status: http.StatusOK},
		{path: "/@latest", status: http.StatusOK},
		{path: "/@v/main.info", status: http.StatusNotFound},
		{path: "/@v/v1.0.1.mod", status: http.StatusNotFound, first: "MISS", second: "MISS"},
		{path: "/@v/v1.0.2.mod", status: http.StatusBadGateway, first: "MISS", second: "MISS"},
		{path: "/sumdb/db.example.com/supported", status: http.StatusOK},
		{path: "/sumdb/db.example.com/latest", status: http.StatusOK},
		{path: "/sumdb/db.example.com/tile/8/0/000.p/1", status: http.StatusOK, first: "MISS", second: "HIT"},
		{path: "/sumdb/db.example.com/lookup/" + module + "@v1.0.0", status: http.StatusOK, first: "MISS", second: "HIT"},
		{path: file, span: "bytes=0-9", status: http.StatusPartialContent, first: "MISS", second: "HIT"},
		{path: file, status: http.StatusOK, first: "HIT", second: "HIT"},
		{path: file + "?x=1", status: http.StatusOK, first: "HIT", second: "HIT"},
		{path: file, method: http.MethodHead, status: http.StatusOK, first: "HIT", second: "HIT"},
	} {
		for n, want := range []string{tt.first, tt.second} {
			url := s.proxy + tt.path
			if !strings.HasPrefix(tt.path, "/sumdb/") {
				url = s.proxy + "/" + module + tt.path
			}
			request, err := http.NewRequestWithContext(t.Context(), cmp.Or(tt.method, http.MethodGet), url, http.NoBody)
			require.NoError(t, err)
			if tt.span != "" {
				request.Header.Set("Range", tt.span)
			}
			answer, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(request)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, answer.Body)
			require.NoError(t, errors.Join(err, answer.Body.Close()))
			assert.Equal(t, tt.status, answer.StatusCode, "%s %s, time %d", tt.method, tt.path, n+1)
			assert.Equal(t, want, answer.Header.Get("X-Cache-Status"), "%s %s, time %d", tt.method, tt.path, n+1)
		}
	}

	other := besides(t, "MODTAP_LISTEN="+addresses(t)[ingressDefault]+"\nMODTAP_UPSTREAM=http://"+at[proxyDefault]+"\nMODTAP_EGRESS_UPSTREAM=off\n")
	status, _ := get(t, other.proxy+"/"+module+file)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, map[string]int{"hit": 1}, settled(t, other.metrics, 1))
	assert.Equal(t, map[string]int{"hit by header": 1}, other.evidence(t))
}

// readLog returns the lines of a file.
func readLog(tb testing.TB, path string) []string {
	tb.Helper()
	text, err := os.ReadFile(path)
	require.NoError(tb, err)
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}
