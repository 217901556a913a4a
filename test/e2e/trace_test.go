// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

// upstreamURL is the first proxy of the user's GOPROXY list.
func upstreamURL(tb testing.TB) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "env", "GOPROXY").Output()
	require.NoError(tb, err)
	return strings.TrimSpace(strings.FieldsFunc(string(out), func(r rune) bool { return r == ',' || r == '|' })[0])
}

// slowTile is a proxy of the user's upstream that holds one checksum database
// tile back: the first one that is asked for.
type slowTile struct {
	*httptest.Server
	delay time.Duration
	held  chan string // the path of the tile that was held
}

func newSlowTile(tb testing.TB, delay time.Duration) *slowTile {
	tb.Helper()
	to, err := url.Parse(upstreamURL(tb))
	require.NoError(tb, err)
	s := &slowTile{delay: delay, held: make(chan string, 1)}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/tile/") {
			select {
			case s.held <- r.URL.Path:
				time.Sleep(s.delay)
			default:
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	tb.Cleanup(s.Close)
	return s
}

// TestSlowestHopOfAColdAthens asks a cold Athens between two taps for a .mod,
// while one checksum database tile is slow: the trace, read back from the real
// Jaeger, shows all that Athens did below that request, and names the tile.
func TestSlowestHopOfAColdAthens(t *testing.T) {
	jaeger := backends.Jaeger(t)
	const runs = 10
	var shares []string
	for run := range runs {
		upstream := newSlowTile(t, time.Second)
		egress := port.Address(t)
		athens := backends.Athens(t, backends.AthensOptions{Goproxy: "http://" + egress})
		service := fmt.Sprint("slow-", run)
		m := start(t, []string{
			"MODTAP_UPSTREAM=" + athens.URL, "MODTAP_EGRESS_LISTEN=" + egress, "MODTAP_EGRESS_UPSTREAM=" + upstream.URL,
			"MODTAP_JAEGER=" + jaeger.OTLPHTTP, "MODTAP_SERVICE_NAME=" + service,
		})
		status, _ := get(t, m.proxy+"/github.com/pkg/errors/@v/v0.9.1.mod")
		require.Equal(t, http.StatusOK, status)
		tile := <-upstream.held

		var spans []backends.Span
		require.Eventually(t, func() bool {
			spans = nil
			for _, trace := range jaeger.Traces(t, service, 100) {
				spans = append(spans, trace.Spans...)
			}
			has := func(side, key, value string) bool {
				return slices.ContainsFunc(spans, func(s backends.Span) bool {
					return s.Tags["span.kind"] == "server" && s.Tags["goproxy.side"] == side && s.Tags[key] == value
				})
			}
			return has("ingress", "goproxy.operation", "mod") && has("egress", "url.path", tile) &&
				has("egress", "goproxy.operation", "mod") && has("egress", "goproxy.operation", "zip")
		}, time.Minute, 200*time.Millisecond)
		m.stop()

		root := slices.IndexFunc(spans, func(s backends.Span) bool {
			return s.Tags["goproxy.side"] == "ingress" && s.Tags["span.kind"] == "server"
		})
		require.GreaterOrEqual(t, root, 0)
		in := spans[root]
		assert.Equal(t, "miss", in.Tags["goproxy.cache.result"])
		below := map[string]int{}
		var slowest backends.Span
		var intervals [][2]int64
		for _, s := range spans {
			if s.Tags["goproxy.side"] != "egress" || s.Tags["span.kind"] != "server" {
				continue
			}
			assert.Equal(t, in.TraceID, s.TraceID, "all that Athens asked hangs below the request: %s", s.Tags["url.path"])
			below[fmt.Sprint(s.Tags["goproxy.operation"])]++
			intervals = append(intervals, [2]int64{s.Start, s.Start + s.Duration})
			if s.Duration > slowest.Duration {
				slowest = s
			}
		}
		assert.Equal(t, tile, slowest.Tags["url.path"], "the slowest hop is the tile that was held back")
		assert.Equal(t, 1, below["mod"])
		assert.Equal(t, 1, below["zip"])
		assert.GreaterOrEqual(t, below["sumdb"], 2)
		shares = append(shares, fmt.Sprintf("%.0f %% of %d ms in %d requests", 100*covered(intervals, in)/float64(in.Duration), in.Duration/1000, len(intervals)))
		athens.Stop()
	}
	t.Logf("the upstream requests' share of the ingress request, in %d runs: %v; the rest is Athens' own work (its go processes, storing)", runs, shares)
}

// covered returns how many microseconds of a span the intervals cover together.
func covered(intervals [][2]int64, in backends.Span) float64 {
	slices.SortFunc(intervals, func(a, b [2]int64) int { return int(a[0] - b[0]) })
	var sum, until int64
	for _, i := range intervals {
		from, to := max(i[0], until, in.Start), min(i[1], in.Start+in.Duration)
		if to > from {
			sum += to - from
			until = to
		}
	}
	return float64(sum)
}

// TestNoHitWithoutProof: a proxy that isn't wired to the egress, and a module that
// the proxy fetches past it, are never told as hits.
func TestNoHitWithoutProof(t *testing.T) {
	gomod := []byte("module example.com/m\n\ngo 1.26\n\nrequire github.com/pkg/errors v0.9.1\n")
	t.Run("not wired", func(t *testing.T) {
		athens := backends.Athens(t, backends.AthensOptions{})
		m := start(t, []string{"MODTAP_UPSTREAM=" + athens.URL, "MODTAP_EGRESS_LISTEN=" + port.Address(t)})
		c := newClient(t, m.proxy, gomod, "GOSUMDB=off")
		c.download()
		c.forget()
		c.download()
		results := map[string]int{}
		for _, d := range m.quiet() {
			results[d.Goproxy.Cache.Result]++
		}
		assert.Equal(t, map[string]int{"unknown": 6}, results)
	})
	t.Run("fetched past the egress", func(t *testing.T) {
		repository := gitModule(t, "example.test/private.git")
		egress := port.Address(t)
		athens := backends.Athens(t, backends.AthensOptions{Goproxy: "http://" + egress, GoEnv: []string{
			"GONOPROXY=example.test", "GONOSUMDB=*", "GOSUMDB=off", "GIT_CONFIG_COUNT=1",
			"GIT_CONFIG_KEY_0=url.file://" + repository + ".insteadOf", "GIT_CONFIG_VALUE_0=https://example.test/private",
		}})
		m := start(t, []string{"MODTAP_UPSTREAM=" + athens.URL, "MODTAP_EGRESS_LISTEN=" + egress})
		for range 2 {
			for _, module := range []string{"example.test/private.git", "github.com/pkg/errors"} {
				version := map[string]string{"example.test/private.git": "v1.0.0", "github.com/pkg/errors": "v0.9.1"}[module]
				status, body := get(t, m.proxy+"/"+module+"/@v/"+version+".mod")
				require.Equal(t, http.StatusOK, status, "%s", body)
			}
		}
		results := map[string][]string{}
		for _, d := range m.quiet() {
			if d.Goproxy.Side == "ingress" {
				results[d.Goproxy.Module.Path] = append(results[d.Goproxy.Module.Path], d.Goproxy.Cache.Result)
			}
		}
		assert.Equal(t, map[string][]string{"example.test/private.git": {"unknown", "unknown"}, "github.com/pkg/errors": {"miss", "hit"}}, results)
	})
}

// gitModule makes a git repository with one tagged version of a module.
func gitModule(tb testing.TB, path string) string {
	tb.Helper()
	dir := tb.TempDir()
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+path+"\n\ngo 1.20\n"), 0o600))
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "."}, {"-c", "user.name=t", "-c", "user.email=t@example.test", "commit", "-qm", "one"}, {"tag", "v1.0.0"},
	} {
		cmd := exec.CommandContext(tb.Context(), "git", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(tb, err, "%s", out)
	}
	return dir
}
