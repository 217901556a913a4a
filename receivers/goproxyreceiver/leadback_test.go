// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/modtap/modtap/internal/chain"
)

// TestTheEgressDoesNotAskWhoAsksIt: the user's GOPROXY is the proxy beside us, for go
// commands to use. The egress, which this proxy asks, would go round for ever.
func TestTheEgressDoesNotAskWhoAsksIt(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "v1.0.0\n") }))
	t.Cleanup(origin.Close)
	rounds, egress := 0, ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rounds++; rounds > 10 {
			http.Error(w, "round and round", http.StatusNotFound)
			return
		}
		resp, err := http.Get(egress + r.URL.Path)
		if assert.NoError(t, err) {
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body)
			_ = resp.Body.Close()
		}
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("GOPROXY", proxy.URL+"/|"+origin.URL)
	t.Setenv("GONOPROXY", "none")
	t.Setenv("GOSUMDB", "off")
	cfg := testConfig(t, proxy.URL)
	cfg.GOPROXY = ""
	cfg.Egress.Endpoint = "127.0.0.1:0"
	r := startReceiver(t, cfg)
	egress = r.egress
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(r.url + "/example.com/m/@v/list")
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "v1.0.0\n", string(text))
	assert.Equal(t, 1, rounds)
}

// TestTheEgressMayGoRound: who writes the proxy beside Modtap into the list of the egress is warned, by any of its names.
func TestTheEgressMayGoRound(t *testing.T) {
	for list, warned := range map[string]bool{
		"http://127.0.0.1:1/base": true, "http://localhost:1/base/": true, "https://other.example,http://127.0.0.1:1/base|direct": true,
		"http://127.0.0.1:1/another": false, "http://127.0.0.1:2/base": false, "https://other.example": false, "off": false,
	} {
		core, observed := observer.New(zap.WarnLevel)
		elements, err := chain.Parse(list)
		require.NoError(t, err)
		r := &goproxyReceiver{cfg: testConfig(t, "http://127.0.0.1:1/base"), log: zap.New(core)}
		r.mayGoRound(elements)
		assert.Equal(t, warned, observed.Len() == 1, list)
	}
}
