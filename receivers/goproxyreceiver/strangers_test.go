// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// TestStrangersInATrace: case 17: whoever knows another client's traceparent gets into
// its trace, but neither into its session nor to the job that its root is told with.
func TestStrangersInATrace(t *testing.T) {
	const (
		ownerKey = "Modtap-Owner: 0123456789abcdef0123456789abcdef"
		one, two = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"
		ours     = "Tracestate: modtap=root"
		victim   = "Modtap-Ci-Job: victim"
		stranger = "Modtap-Ci-Job: stranger"
	)
	parent := "Traceparent: 00-" + traceID + "-" + spanID + "-01"
	planted := "Traceparent: 00-" + traceID + "-00000000000000aa-01"
	for _, c := range []struct {
		name           string
		trusted        bool
		first, second  []string
		requestsOfRoot int64
	}{
		{"the same client", false, []string{parent, ours}, []string{parent, ours}, 3},
		{"another address, said by a trusted proxy", true, []string{parent, ours, one}, []string{parent, ours, two}, 2},
		{"another address, said by nobody trusted", false, []string{parent, ours, one}, []string{parent, ours, two}, 3},
		{"the same address, said by a trusted proxy", true, []string{parent, ours, one}, []string{parent, ours, one}, 3},
		{"another identity", false, []string{parent, ours, basic("ann:secret")}, []string{parent, ours, basic("eve:secret")}, 2},
		{"no identity", false, []string{parent, ours, basic("ann:secret")}, []string{parent, ours}, 2},
		{"another root", true, []string{parent, ours, one}, []string{planted, ours, two}, 2},
		{"no root", true, []string{parent, ours, one}, []string{parent, two}, 2},
		{"modtap-goauth, from another address", true, []string{parent, ours, one, ownerKey}, []string{parent, ours, two, ownerKey}, 3},
		{"modtap-goauth, and somebody behind the same address", false, []string{parent, ours, ownerKey}, []string{parent, ours}, 2},
	} {
		for _, way := range []string{"forward", "embedded"} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, restart %t", c.name, way, restart), func(t *testing.T) {
					var leaked atomic.Bool
					origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						leaked.CompareAndSwap(false, r.Header["Modtap-Owner"] != nil)
						http.NotFound(w, r)
					}))
					t.Cleanup(origin.Close)
					var cfg *Config
					r, url := behind(t, way, origin.URL, func(c2 *Config) {
						if cfg = c2; c.trusted {
							c2.TrustedProxies = []string{"127.0.0.1"}
						}
						c2.Sessions.IdleGap = time.Hour
					})
					job := []string{"Modtap-Ci-System: gitlab"}
					for range 2 {
						ask(t, url, get("/example.com/m/@v/v1.0.0.zip", append(append(job, victim), c.first...)...))
					}
					all := r.exchanges
					roots := r.sessions
					if restart {
						before, beforeRoots := r.exchanges(t), r.sessions(t)
						r = startReceiver(t, cfg)
						url = r.url
						all = func(t testing.TB) []told { return append(before, r.exchanges(t)...) }
						roots = func(t testing.TB) []ptrace.Span { return append(beforeRoots, r.sessions(t)...) }
					}
					ask(t, url, get("/example.com/m/@v/v1.0.0.zip", append(append(job, stranger), c.second...)...))

					exchanges := all(t)
					require.Len(t, exchanges, 3)
					for _, x := range exchanges {
						assert.Equal(t, traceID, x.server.TraceID().String(), "traces of W3C context stay joined")
					}
					same := c.requestsOfRoot == 3
					assert.Equal(t, traceID, exchanges[0].log["goproxy.session.id"])
					assert.Equal(t, same, exchanges[2].log["goproxy.session.id"] == traceID)
					assert.Equal(t, "stranger", exchanges[2].log["cicd.pipeline.task.name"], "its job counts there")
					var requests int64
					for _, root := range roots(t) {
						attrs := root.Attributes().AsRaw()
						if !restart || !same { // after one the owner's session has a second part
							assert.Equal(t, "victim", attrs["cicd.pipeline.task.name"])
						}
						requests += attrs["goproxy.session.requests"].(int64)
					}
					assert.Equal(t, c.requestsOfRoot, requests)
					assert.False(t, leaked.Load(), "what shows whose a trace is isn't passed on")
					assert.NotContains(t, r.json(t), "0123456789abcdef0123")
				})
			}
		}
	}
}
