// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/tap/instance"
)

var policies = []instance.Identity{instance.IdentityFull, instance.IdentityHash, instance.IdentityNone, ""}

// breakingOrigin has no module with "no" in its path. The first answer to each zip that
// isn't asked for in part breaks off, and every third after it.
func breakingOrigin(t *testing.T) string {
	var mu sync.Mutex
	asked := make(map[string]int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/no"):
			http.NotFound(w, r)
		case r.Header["Range"] != nil:
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte("56789"))
		default:
			mu.Lock()
			n := asked[r.URL.Path]
			asked[r.URL.Path]++
			mu.Unlock()
			w.Header().Set("Content-Length", "10")
			if n%3 == 0 && strings.HasSuffix(r.URL.Path, ".zip") {
				_, _ = w.Write([]byte("01234"))
				return // the length isn't reached: the connection breaks
			}
			_, _ = w.Write([]byte("0123456789"))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// someRequests returns requests of several clients behind a trusted proxy, some of whom
// share an address.
func someRequests(seed uint64) []string {
	r := rand.New(rand.NewPCG(seed, 3))
	paths := []string{
		"/example.com/no/@v/v1.0.0.info", "/elsewhere.example/no/@v/v1.0.0.mod", "/example.com/a/@v/v1.0.0.mod",
		"/example.com/a/@v/v1.0.0.zip", "/example.com/a/@v/v1.0.0.zip", "/example.com/b/@v/v1.0.0.zip",
	}
	var all []string
	for range 40 {
		lines := []string{fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", r.IntN(3)), "User-Agent: Go-http-client/1.1"}
		if name := r.IntN(3); name > 0 {
			lines = append(lines, basic(fmt.Sprintf("user%d:secret", name)))
		}
		path := paths[r.IntN(len(paths))]
		if strings.HasSuffix(path, ".zip") && r.IntN(2) == 0 {
			lines = append(lines, "Range: bytes=5-9")
		}
		all = append(all, get(path, lines...))
	}
	return all
}

// TestPoliciesTellTheSameVerdicts sends the same traffic under every identity policy:
// outcomes, cache results, what belongs to which download and to which session are the
// same.
func TestPoliciesTellTheSameVerdicts(t *testing.T) {
	resumed := 0
	for seed := range uint64(4) {
		verdicts := func(policy instance.Identity) (all []string) {
			cfg := testConfig(t, breakingOrigin(t))
			cfg.ClientIdentity, cfg.TrustedProxies = policy, []string{"127.0.0.1"}
			cfg.Sessions.IdleGap = time.Hour // however busy the machine is
			r := startReceiver(t, cfg)
			for _, raw := range someRequests(seed) {
				ask(t, r.url, raw)
			}
			spans, sessions := make(map[string]int), make(map[any]int)
			for i, x := range r.exchanges(t) {
				spans[x.server.SpanID().String()] = i
				id := x.log["goproxy.session.id"]
				if _, known := sessions[id]; !known {
					sessions[id] = len(sessions)
				}
				verdict := fmt.Sprint(i, " ", x.log["http.response.status_code"], " ", x.log["goproxy.outcome"], " ", x.log["goproxy.cache.result"], " session ", sessions[id])
				if first, ok := x.log["goproxy.download.resumes"].(string); ok {
					require.Contains(t, spans, first)
					verdict += fmt.Sprint(" resumes ", spans[first])
					resumed++
				}
				all = append(all, verdict)
			}
			return all
		}
		want := verdicts(instance.IdentityFull)
		for _, policy := range policies[1:] {
			assert.Equal(t, want, verdicts(policy), "seed %d, client_identity %q", seed, policy)
		}
	}
	assert.Positive(t, resumed)
}

// TestWhatJudgesIsNotTold: nothing that leaves has the key that a client is judged by,
// in any form, under any policy.
func TestWhatJudgesIsNotTold(t *testing.T) {
	for _, policy := range policies {
		cfg := testConfig(t, breakingOrigin(t))
		cfg.ClientIdentity, cfg.TrustedProxies = policy, []string{"127.0.0.1"}
		r := startReceiver(t, cfg)
		lines := []string{"X-Forwarded-For: 192.0.2.7", basic("ann:secret"), "User-Agent: Go-http-client/1.1"}
		ask(t, r.url, get("/example.com/a/@v/v1.0.0.zip", lines...))
		ask(t, r.url, get("/example.com/a/@v/v1.0.0.zip", append(lines, "Range: bytes=5-9")...))
		key := r.receiver.listeners[0].handler.identifier.clients.Key(&instance.Client{Address: netip.MustParseAddr("192.0.2.7"), Name: "ann"})
		require.NotZero(t, key)
		all := r.json(t)
		require.Contains(t, all, "goproxy.download.resumes", "it judges")
		for _, form := range []string{
			string(key[:]), hex.EncodeToString(key[:]), base64.StdEncoding.EncodeToString(key[:]), fmt.Sprint(key)[1:20],
			strconv.FormatUint(binary.BigEndian.Uint64(key[:]), 10), strconv.FormatUint(binary.LittleEndian.Uint64(key[:]), 10),
			strconv.FormatInt(int64(binary.BigEndian.Uint64(key[:])), 10), strconv.FormatInt(int64(binary.LittleEndian.Uint64(key[:])), 10),
		} {
			assert.NotContains(t, all, form, "%q", policy)
			assert.NotContains(t, strings.ToLower(all), strings.ToLower(form), "%q", policy)
		}
	}
}
