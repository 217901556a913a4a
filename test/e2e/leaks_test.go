// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const leakSeries = `goproxy_private_leaks_total{goproxy_leak_pattern="*.corp.example"`

// TestLeaks: a private module on its way to the public is told, and with block
// nothing is sent. The public is an upstream that is reached through HTTP_PROXY.
func TestLeaks(t *testing.T) {
	const secret, open = "/git.corp.example/secret/@v/v1.0.0.mod", "/example.com/open/@v/v1.0.0.mod"
	for _, action := range []string{"report", "block"} {
		t.Run(action, func(t *testing.T) {
			public, own := newOrigin(t), newOrigin(t)
			public.add(t, "git.corp.example/secret", 10)
			public.add(t, "example.com/open", 10)
			own.add(t, "git.corp.example/known", 10)
			own.files["/sumdb/sum.golang.org/supported"] = []byte{}
			config := configFile(t, fmt.Sprintf("receivers: {goproxy: {leak_patterns: '*.corp.example', leak_action: %s}}\n", action))
			env := []string{
				"MODTAP_EGRESS_UPSTREAM=" + own.URL + ",http://public.example", "GOSUMDB=off", "GONOPROXY=none",
				"HTTP_PROXY=" + public.URL, "http_proxy=", "NO_PROXY=", "no_proxy=",
			}
			m := start(t, env, "run", "--config", "modtap:base", "--config", "modtap:jsonlines", "--config", config)

			getOK(t, m.proxy+open)
			getOK(t, m.proxy+"/git.corp.example/known/@v/v1.0.0.mod")
			status, body := get(t, m.proxy+secret)
			get(t, m.proxy+"/sumdb/sum.golang.org/lookup/git.corp.example/known@v1.0.0")
			docs := m.settled(4)
			m.until(leakSeries, 2)
			require.Len(t, docs, 4)
			assert.Empty(t, docs[0].Goproxy.Leak.Pattern)
			assert.Empty(t, docs[1].Goproxy.Leak.Pattern, "our own proxy knows it")
			assert.Equal(t, "*.corp.example", docs[2].Goproxy.Leak.Pattern)
			assert.Equal(t, "*.corp.example", docs[3].Goproxy.Leak.Pattern)
			assert.Equal(t, 1, own.count(secret), "our own proxy may be asked")
			lookup := "/sumdb/sum.golang.org/lookup/git.corp.example/known@v1.0.0"
			if action == "report" {
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, 1, public.count(secret))
				assert.Equal(t, 1, own.count(lookup))
				return
			}
			assert.Equal(t, http.StatusNotFound, status)
			assert.Contains(t, string(body), "*.corp.example")
			assert.Equal(t, 404, docs[3].HTTP.Response.StatusCode)
			assert.Equal(t, "refused", docs[2].Goproxy.Outcome)
			for path := range public.paths() {
				assert.NotContains(t, path, "corp.example", "nothing was sent")
			}
			assert.Zero(t, own.count(lookup))
		})
	}
}

// TestLeaksBeforeAnotherProxy: what the proxy beside us would pass on to the
// checksum database. The patterns are the environment's GOPRIVATE.
func TestLeaksBeforeAnotherProxy(t *testing.T) {
	const lookup = "/sumdb/sum.golang.org/lookup/git.corp.example/m@v1.0.0"
	o := newOrigin(t)
	o.add(t, "git.corp.example/m", 10)
	o.files[lookup] = []byte("a record")
	for _, tt := range []struct {
		name, config string
		status       int
	}{
		{"report", "", http.StatusOK},
		{"block", "receivers: {goproxy: {leak_action: block}}\n", http.StatusNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := o.count(lookup)
			m := start(t, []string{"MODTAP_UPSTREAM=" + o.URL, "GOPRIVATE=*.corp.example"},
				"run", "--config", "modtap:base", "--config", "modtap:jsonlines", "--config", configFile(t, tt.config))
			getOK(t, m.proxy+"/git.corp.example/m/@v/v1.0.0.mod")
			status, _ := get(t, m.proxy+lookup)
			assert.Equal(t, tt.status, status)
			m.until(leakSeries, 1)
			assert.Equal(t, tt.status == http.StatusOK, o.count(lookup) == asked+1)
			for _, d := range m.settled(2) {
				want := ""
				if strings.HasPrefix(d.URL.Path, "/sumdb/") {
					want = "*.corp.example"
				}
				assert.Equal(t, want, d.Goproxy.Leak.Pattern, d.URL.Path)
			}
		})
	}
}
