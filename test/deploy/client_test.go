// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// ownModules returns a go.mod that requires n of Modtap's own dependencies.
func ownModules(tb testing.TB, n int) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	require.NoError(tb, err)
	own, err := modfile.Parse("go.mod", text, nil)
	require.NoError(tb, err)
	m := new(modfile.File)
	require.NoError(tb, m.AddModuleStmt("example.com/downloads"))
	require.NoError(tb, m.AddGoStmt("1.26"))
	for _, r := range own.Require[:n] {
		require.NoError(tb, m.AddRequire(r.Mod.Path, r.Mod.Version))
	}
	out, err := m.Format()
	require.NoError(tb, err)
	return out
}

// download runs go mod download through a proxy as on a fresh machine: with an empty module cache and without a go.sum.
func download(tb testing.TB, proxy string, gomod []byte, env ...string) {
	tb.Helper()
	dir := tb.TempDir()
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "go.mod"), gomod, 0o644))
	cmd := exec.CommandContext(tb.Context(), "go", "mod", "download", "-x")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOMODCACHE="+filepath.Join(dir, "modcache"), "GOFLAGS=-modcacherw", "GOWORK=off", "GOPROXY="+proxy)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	require.NoError(tb, err, "go mod download through %s:\n%s", proxy, tail(string(out)))
}

// get asks once and returns status and body; the status 0 means that nobody answered.
func get(tb testing.TB, url string) (int, []byte) {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(tb, err)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(tb, err)
	return answer.StatusCode, body
}

// results returns how many requests for .info, .mod and .zip Modtap's /metrics counts, by cache result.
func results(tb testing.TB, metrics string) map[string]int {
	tb.Helper()
	status, page := get(tb, metrics)
	require.Equal(tb, http.StatusOK, status, string(page))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(page))
	require.NoError(tb, err)
	counted := map[string]int{}
	for _, m := range families["http_server_request_duration_seconds"].GetMetric() {
		labels := map[string]string{}
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		switch labels["goproxy_operation"] {
		case "info", "mod", "zip":
			counted[labels["goproxy_cache_result"]] += int(m.GetHistogram().GetSampleCount())
		}
	}
	return counted
}

// settled returns the results once at least n requests are counted and no more come: a verdict waits some seconds for evidence.
func settled(tb testing.TB, metrics string, n int) map[string]int {
	tb.Helper()
	var last map[string]int
	var since time.Time
	require.Eventually(tb, func() bool {
		now := results(tb, metrics)
		if last == nil || sum(now) != sum(last) {
			last, since = now, time.Now()
		}
		return sum(now) >= n && time.Since(since) > 3*time.Second
	}, time.Minute, 100*time.Millisecond)
	return last
}

func sum(counted map[string]int) (all int) {
	for _, n := range counted {
		all += n
	}
	return all
}
