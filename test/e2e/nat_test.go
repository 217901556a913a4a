// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCommandsBehindOneAddress: the go commands of CI jobs that ask from one address at
// once are sessions of their own: each over HTTPS, and nearly each over HTTP, where
// only what they ask for says whose a connection is.
func TestCommandsBehindOneAddress(t *testing.T) {
	const jobs, modules = 12, 24
	for _, scheme := range []string{"https", "http"} {
		t.Run(scheme, func(t *testing.T) {
			o := newOrigin(t)
			for i := range modules {
				o.add(t, fmt.Sprintf("example.com/m%02d", i), 10_000)
			}
			environment := []string{"GOSUMDB=off", "GOAUTH=off", "GOTOOLCHAIN=local"}
			settings := o.goproxy()
			if scheme == "https" {
				cert, key := selfSigned(t)
				environment = append(environment, "SSL_CERT_FILE="+cert)
				settings = append(settings, "MODTAP_TLS_CERT="+cert, "MODTAP_TLS_KEY="+key)
			}
			m := start(t, settings)
			var mu sync.Mutex
			asked := 0
			var running sync.WaitGroup
			for job := range jobs {
				running.Go(func() {
					time.Sleep(time.Duration(job) * 450 * time.Millisecond)
					for n := range 2 {
						var names []string
						for i := range modules / 3 {
							names = append(names, fmt.Sprintf("example.com/m%02d", (job*5+n*3+i*2)%modules))
						}
						c := newClient(t, fmt.Sprintf("%s/c%d-%d", m.proxy, job, n), gomod(names...), environment...)
						got := c.download()
						mu.Lock()
						asked += got
						mu.Unlock()
					}
				})
			}
			running.Wait()
			commands, sessions := map[string]map[string]int{}, map[string]map[string]int{}
			docs := m.settled(asked)
			require.Len(t, docs, asked)
			for _, d := range docs {
				command, _, _ := strings.Cut(d.URL.Path[1:], "/")
				count(commands, command, d.Goproxy.Session.ID)
				count(sessions, d.Goproxy.Session.ID, command)
				assert.NotZero(t, d.Client.Port)
			}
			exact := 0
			for _, of := range commands {
				for id := range of {
					if len(of) == 1 && len(sessions[id]) == 1 {
						exact++
					}
				}
			}
			t.Logf("%d commands, %d sessions, %d exactly", len(commands), len(sessions), exact)
			require.Len(t, commands, 2*jobs)
			if scheme == "https" {
				assert.Equal(t, 2*jobs, exact)
			} else {
				assert.GreaterOrEqual(t, exact, jobs, "more than by chance, however busy this machine is")
			}
		})
	}
}

func count(m map[string]map[string]int, of, what string) {
	if m[of] == nil {
		m[of] = map[string]int{}
	}
	m[of][what]++
}
