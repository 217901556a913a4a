// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// TestEachSendingIsTold: however an upstream ends what it is sent, the attempts of documents and traces are the requests that
// reached it, and bounded; what was idle and closed fails nobody.
func TestEachSendingIsTold(t *testing.T) {
	t.Setenv("GOSUMDB", "off")
	t.Setenv("GONOPROXY", "none")
	t.Setenv("GOPRIVATE", "")
	for protocol, pool := range map[string]int{"http": 17, "https": 17, "h2": 1} {
		endings := []backends.Ending{backends.BeforeHeader, backends.InHeader, backends.OnReuse}
		if protocol != "h2" {
			endings = append(endings, backends.TimeOutReuse)
		} else {
			endings = append(endings, backends.GoAway, backends.RefuseStream, backends.GoAwayReuse)
		}
		for i, ending := range endings {
			for name, most := range map[string]int{"beside": 2, Embedded: 3} {
				if name == Embedded && protocol == "https" {
					continue // internal/chain has each of them
				}
				t.Run(fmt.Sprintf("%s %s, %s", protocol, ending, name), func(t *testing.T) {
					s := backends.NewSick(t, protocol)
					cfg := testConfig(t, s.URL)
					cfg.Forward.TLS.InsecureSkipVerify, cfg.Chain.TLS.InsecureSkipVerify = true, true
					cfg.Chain.CircuitBreaker.ConsecutiveFailures = 0
					if name == Embedded {
						cfg.Upstream, cfg.GOPROXY = Embedded, s.URL
					}
					r := startReceiver(t, cfg)
					file := func(n int) string { return fmt.Sprintf("/example.com/m%d/@v/v1.0.0.info", n) }
					var asking sync.WaitGroup
					s.Gather(pool)
					for n := range pool {
						asking.Go(func() { assert.Equal(t, 200, ask(t, r.url, get(file(1000+n))).code) })
					}
					asking.Wait()
					s.Become(ending, i%2 == 0)
					received := make(map[string]int)
					for n := range 20 {
						before, _ := s.Counts()
						code := ask(t, r.url, get(file(n))).code
						after, _ := s.Counts()
						received[file(n)] = after - before
						if ending == backends.OnReuse || ending == backends.TimeOutReuse || ending == backends.GoAwayReuse {
							require.Equal(t, 200, code)
						} else {
							require.Equal(t, 502, code)
						}
					}
					for _, got := range r.exchanges(t) {
						path := got.log["url.path"].(string)
						if n, ok := received[path]; ok {
							assert.Len(t, got.client, n, path)
							assert.Len(t, got.log["goproxy.upstream"], n, path)
							assert.LessOrEqual(t, n, most)
							delete(received, path)
						}
					}
					assert.Empty(t, received)
				})
			}
		}
	}
}
