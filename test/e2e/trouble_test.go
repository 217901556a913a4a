// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// TestTroubleThatIsToldAs404: real proxies answer 404 where their upstream hangs or
// fails. What they say of it is told beside the status, by the proxy beside Modtap and
// by one behind the embedded cache alike; a silent 404 remains what it is.
func TestTroubleThatIsToldAs404(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/slow.example/"):
			<-r.Context().Done()
		case strings.HasPrefix(r.URL.Path, "/bad.example/"):
			http.Error(w, "no backend", http.StatusBadGateway)
		default:
			http.Error(w, "not found: unknown revision", http.StatusNotFound)
		}
	}))
	t.Cleanup(upstream.Close)
	proxy := backends.Goproxy(t, backends.GoproxyOptions{
		Env: []string{"GOPROXY=" + upstream.URL, "GOSUMDB=off", "GONOPROXY=none"}, Args: []string{"--fetch-timeout", "20s"},
	})
	for name, env := range map[string][]string{
		"beside":   {"MODTAP_UPSTREAM=" + proxy.URL},
		"embedded": {"MODTAP_EGRESS_UPSTREAM=" + proxy.URL, "GOSUMDB=off", "GONOPROXY=none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := start(t, env)
			want := map[string]string{"slow.example/m": "timeout", "bad.example/m": "bad_upstream", "gone.example/m": ""}
			for module := range want {
				code, text := get(t, m.proxy+"/"+module+"/@v/v1.0.0.info")
				require.Equal(t, http.StatusNotFound, code, "%s", text)
				t.Logf("%s: %s", module, text)
			}
			for _, d := range m.settled(len(want)) {
				assert.Equal(t, "not_found", d.Goproxy.Outcome)
				assert.Equal(t, want[d.Goproxy.Module.Path], d.Error.Type, d.Goproxy.Module.Path)
			}
			counted := regexp.MustCompile(`http_server_request_duration_seconds_count\{.*error_type="timeout".*goproxy_outcome="not_found"`)
			var page []byte
			require.Eventually(t, func() bool {
				_, page = get(t, "http://"+m.metrics+"/metrics")
				return counted.Match(page)
			}, time.Minute, 50*time.Millisecond, "it is counted, if after it is logged")
			assert.NotContains(t, string(page), `goproxy_outcome="upstream_error"`)
		})
	}
}
