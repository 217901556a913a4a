// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failsForBad has an upstream that fails for modules below bad.example only, in one
// of the ways that can be those modules' own.
func failsForBad(b behaviour) behaviour {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/bad.example/") || strings.Contains(r.URL.Path, "/lookup/bad.example") {
			b(w, r)
			return
		}
		serveModule(w, r)
	}
}

// TestOneModuleOpensNoCircuit: whatever is asked about one module, however often, in
// whatever spelling and whichever way it fails, others are served.
func TestOneModuleOpensNoCircuit(t *testing.T) {
	failures := map[string]behaviour{
		"reset": reset, "broken": broken,
		"hang": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	}
	for _, code := range []int{500, 501, 502, 503, 504, 505, 507, 508, 511, 521, 599} {
		failures[strconv.Itoa(code)] = status(code)
	}
	files := []string{
		"bad.example/m/@v/list", "bad.example/m/@latest", "bad.example/m/@v/main.info", "bad.example/m/@v/v1.0.0.info",
		"bad.example/m/@v/v1.0.0.mod", "bad.example/m/@v/v1.0.0.zip", "bad.example/m/@v/v1.0.1.zip", "bad.example/m/@v/v1.0.2.zip",
		// The paths that the go command probes for one package.
		"bad.example/m/a/b/c/@v/list", "bad.example/m/a/b/@v/list", "bad.example/m/a/@v/list", "bad.example/@v/list",
	}
	for name, fail := range failures {
		t.Run("case 12: "+name, func(t *testing.T) {
			t.Parallel()
			a := start(t, failsForBad(fail))
			c := client(t, a.URL, func(s *Settings) {
				s.Breaker = Breaker{Failures: 5}
				if name == "hang" {
					s.Timeouts.Header = 250 * time.Millisecond
				}
			})
			for _, file := range files {
				for range 3 {
					_ = requireError(t, c.Do(t.Context(), Request{Request: asks(file)}, readAll(new(string))))
				}
			}
			assert.Equal(t, Closed, circuits(c)["127.0.0.1"])
			require.NoError(t, c.Do(t.Context(), Request{Request: asks("good.example/m/@v/v1.0.0.info")}, readAll(new(string))))
		})
	}
}

// TestWhatOpensACircuit: generated rows of failures, each with a model of what is said of the breaker: connections that don't come
// about and modules that time out open the host for all; what is answered 5xx or breaks opens the module's alone.
func TestWhatOpensACircuit(t *testing.T) {
	const limit = 3
	kinds := []reply{says(200), says(404), says(500), says(503), fails(syscall.ECONNRESET), fails(refusedDial), fails(errIdle)}
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 0))
			s := &script{}
			c := client(t, "https://a.example", func(set *Settings) { set.Transport, set.Breaker = s, Breaker{Failures: limit} })
			connects, timeouts, modules := 0, map[string]bool{}, map[string]int{}
			for step := range 60 {
				module := fmt.Sprintf("example.com/m%d", chance.IntN(5))
				how := kinds[chance.IntN(len(kinds))]
				if seed%3 == 0 && step%8 < 6 { // long rows
					how = kinds[2+int(seed/3)%5]
				}
				s.lines = append(s.lines[:len(s.hosts):len(s.hosts)], how)
				before := len(s.hosts)
				err := c.Do(t.Context(), Request{Request: asks(module + "/@v/v1.0.0.mod")}, readAll(new(string)))
				if modules[module] >= limit {
					require.Equal(t, "circuit_open", requireError(t, err).Word, "seed %d, step %d: %s", seed, step, module)
					require.Len(t, s.hosts, before)
					continue
				}
				require.Len(t, s.hosts, before+1, "seed %d, step %d: %s is sent", seed, step, module)
				switch {
				case how.status != 0:
					connects, timeouts = 0, map[string]bool{}
					if modules[module]++; how.status < 500 {
						delete(modules, module)
					}
				case errors.Is(how.err, refusedDial):
					connects++
				case errors.Is(how.err, errIdle):
					connects, timeouts[module] = 0, true
					modules[module]++
				default:
					connects = 0
					modules[module]++
				}
				open := connects+len(timeouts) >= limit
				require.Equal(t, open, circuits(c)["a.example"] == Open, "seed %d, step %d", seed, step)
				if !open {
					continue
				}
				err = c.Do(t.Context(), Request{Request: asks("example.com/other/@v/v1.0.0.mod")}, readAll(new(string)))
				require.Equal(t, "circuit_open", requireError(t, err).Word)
				time.Sleep(DefaultOpen + time.Millisecond)
				s.lines = append(s.lines[:len(s.hosts):len(s.hosts)], says(200))
				require.NoError(t, c.Do(t.Context(), Request{Request: asks("example.com/other/@v/v1.0.0.mod")}, readAll(new(string))), "a probe")
				connects, timeouts, modules = 0, map[string]bool{}, map[string]int{}
				c.hosts.at(mustParse("https://a.example"), mustParse("https://a.example")).subjects = make(subjects)
			}
		})
	}
}

func mustParse(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

// A module's circuit lets one request through when it was open for long enough, whatever came of those that were left.
func TestAModulesCircuitProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := reply{hangs: true}
		s := &script{lines: []reply{says(500), says(500), says(500), hangs, says(503), says(200), says(200)}}
		c := client(t, "https://a.example", func(set *Settings) { set.Transport, set.Breaker = s, Breaker{Failures: 3} })
		ask := func() error {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, context.Canceled)
			defer cancel()
			return c.Do(ctx, Request{Request: asks(stem + ".mod")}, readAll(new(string)))
		}
		for range 5 {
			require.Error(t, ask())
		}
		assert.Len(t, s.hosts, 3)
		time.Sleep(DefaultOpen + time.Millisecond)
		require.ErrorIs(t, ask(), context.Canceled)
		require.Error(t, ask()) // 503
		require.Equal(t, "circuit_open", requireError(t, ask()).Word)
		assert.Len(t, s.hosts, 5)
		time.Sleep(DefaultOpen + time.Millisecond)
		require.NoError(t, ask())
		require.NoError(t, ask())
	})
}

// What is remembered of modules is bounded.
func TestSubjectsAreBounded(t *testing.T) {
	all := make(subjects)
	for i := range 10 * maxSubjects {
		all.failed(strconv.Itoa(i))
	}
	assert.Len(t, all, maxSubjects)
	assert.NotNil(t, all[strconv.Itoa(10*maxSubjects-1)])
}

// What one module answers doesn't keep a circuit open that connections opened.
func TestProbeOfOneModuleCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{lines: []reply{fails(refusedDial), fails(refusedDial), fails(refusedDial), says(500), says(500), says(200)}}
		c := client(t, "https://a.example", func(set *Settings) { set.Transport, set.Breaker = s, Breaker{Failures: 3} })
		for range 3 {
			_ = c.Do(t.Context(), Request{Request: asks(stem + ".mod")}, readAll(new(string)))
		}
		require.Equal(t, Open, circuits(c)["a.example"], "connections that fail count whatever is asked for")
		time.Sleep(DefaultOpen + time.Millisecond)
		for range 3 {
			_ = c.Do(t.Context(), Request{Request: asks(stem + ".mod")}, readAll(new(string)))
			require.Equal(t, Closed, circuits(c)["a.example"])
		}
	})
}
