// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

// gate holds back the upstream's answers until it is opened.
type gate struct {
	entered, open chan struct{}
	once          sync.Once
}

func newGate(u *upstream) *gate {
	g := &gate{entered: make(chan struct{}), open: make(chan struct{})}
	u.setFault(func(_ http.ResponseWriter, r *http.Request) bool {
		g.once.Do(func() { close(g.entered) })
		select {
		case <-g.open:
		case <-r.Context().Done():
		}
		return false
	})
	return g
}

// begin asks for the zip in the background; its end is told with the body's hash
// and the error.
func (g *rig) begin(ctx context.Context) chan result {
	end := make(chan result, 1)
	go func() {
		var r result
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+zipPath, nil)
		if err == nil {
			var resp *http.Response
			if resp, err = g.Client().Do(req); err == nil {
				h := sha256.New()
				_, err = io.Copy(h, resp.Body)
				_ = resp.Body.Close()
				r.status, r.hash = resp.StatusCode, string(h.Sum(nil))
			}
		}
		r.err = err
		end <- r
	}()
	return end
}

type result struct {
	status int
	hash   string
	err    error
}

func hashOfString(s string) string {
	h := sha256.Sum256([]byte(s))
	return string(h[:])
}

// waiting waits until n requests wait for the fetch of name.
func (g *rig) waiting(t *testing.T, name string, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		g.proxy.flights.mu.Lock()
		defer g.proxy.flights.mu.Unlock()
		f := g.proxy.flights.byName[name]
		return f != nil && len(f.waiters) == n
	}, time.Minute, time.Millisecond)
}

func TestManyForOne(t *testing.T) {
	const clients = 32
	u := newUpstream(t, 20<<20)
	want := hashOfString(u.files[zipPath])
	hold := newGate(u)
	g := start(t, u.URL, nil)

	var ends []chan result
	for range clients {
		ends = append(ends, g.begin(t.Context()))
	}
	g.waiting(t, zipPath[1:], clients)
	close(hold.open)
	for _, end := range ends {
		r := <-end
		require.NoError(t, r.err)
		assert.Equal(t, 200, r.status)
		assert.Equal(t, want, r.hash)
	}
	assert.Len(t, u.paths(), 1)

	g.served.Wait()
	var leader *account
	results := make(map[exchange.CacheResult]int)
	attempts := 0
	for _, a := range g.accounts {
		results[a.Result]++
		attempts += len(a.Attempts)
		if a.Result == exchange.Miss {
			leader = a
		}
	}
	assert.Equal(t, map[exchange.CacheResult]int{exchange.Miss: 1, exchange.Coalesced: clients - 1}, results)
	assert.Equal(t, 1, attempts)
	require.NotNil(t, leader)
	assert.Len(t, leader.Attempts, 1)
	for _, a := range g.accounts {
		if a != leader {
			assert.Equal(t, leader.Span, a.Cause)
		}
	}
}

func TestFirstClientHangsUp(t *testing.T) {
	u := newUpstream(t, 1<<20)
	hold := newGate(u)
	missing := newUpstream(t, 0)
	delete(missing.files, zipPath)
	g := start(t, missing.URL+","+u.URL, nil)

	ctx, hangUp := context.WithCancel(t.Context())
	first := g.begin(ctx)
	<-hold.entered
	second := g.begin(t.Context())
	g.waiting(t, zipPath[1:], 2)
	third := g.begin(t.Context())
	g.waiting(t, zipPath[1:], 3)
	hangUp()
	require.ErrorIs(t, (<-first).err, context.Canceled)
	g.waiting(t, zipPath[1:], 2)
	close(hold.open)
	for _, end := range []chan result{second, third} {
		r := <-end
		require.NoError(t, r.err)
		assert.Equal(t, hashOfString(u.files[zipPath]), r.hash)
	}
	assert.Len(t, u.paths(), 1)

	g.served.Wait()
	one, two, three := g.accounts[0], g.accounts[1], g.accounts[2]
	assertAccount(t, one, exchange.Miss, 1)
	assert.Equal(t, 404, one.Attempts[0].Status, "what had ended went with the first")
	assert.Equal(t, "canceled", one.Error)
	assertAccount(t, two, exchange.Coalesced, 1)
	assert.Equal(t, 200, two.Attempts[0].Status, "the rest is the oldest one's")
	assert.Equal(t, one.Span.TraceID, two.Attempts[0].Span.TraceID, "it was sent under the first one's span")
	assert.Equal(t, one.Span.SpanID, two.Attempts[0].Span.ParentID)
	assert.Equal(t, one.Span, two.Cause)
	assertAccount(t, three, exchange.Coalesced, 0)
}

func TestLastClientHangsUp(t *testing.T) {
	u := newUpstream(t, 10)
	hold := newGate(u)
	g := start(t, u.URL, nil)
	ctx, hangUp := context.WithCancel(t.Context())
	a := g.begin(ctx)
	<-hold.entered
	b := g.begin(ctx)
	g.waiting(t, zipPath[1:], 2)
	hangUp()
	require.Error(t, (<-a).err)
	require.Error(t, (<-b).err)

	g.served.Wait()
	attempts := append(g.accounts[0].Attempts, g.accounts[1].Attempts...)
	require.Len(t, attempts, 1, "the cancelled attempt is accounted for once")
	assert.Equal(t, "canceled", attempts[0].Error)
	assert.Empty(t, g.cached(t))
	assert.Empty(t, g.proxy.flights.byName)

	u.setFault(nil)
	assert.Equal(t, 200, g.get(t, zipPath).StatusCode)
	assertAccount(t, g.last(), exchange.Miss, 1)
}

func TestClose(t *testing.T) {
	u := newUpstream(t, 10)
	hold := newGate(u)
	g := start(t, u.URL, nil)
	end := g.begin(t.Context())
	<-hold.entered
	g.proxy.Close()
	r := <-end
	require.NoError(t, r.err)
	assert.Equal(t, 502, r.status)
	assert.Equal(t, 503, g.get(t, "/"+stem+".mod").StatusCode)
}

func TestPropagation(t *testing.T) {
	u := newUpstream(t, 10)
	g := start(t, u.URL, nil)
	g.get(t, "/"+stem+".mod")
	g.get(t, "/example.com/m/@v/list")
	require.Len(t, u.heads, 2)
	assert.Equal(t, "1", u.heads[0].Get("Traceparent"))
	assert.Equal(t, "2", u.heads[1].Get("Traceparent"))
}

// TestEachAttemptIsAccountedForOnce lets clients come and go at random.
func TestEachAttemptIsAccountedForOnce(t *testing.T) {
	u := newUpstream(t, 1000)
	u.setFault(func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(rand.N(3 * time.Millisecond))
		return false
	})
	missing := newUpstream(t, 0)
	clear(missing.files)
	g := start(t, missing.URL+","+u.URL, nil)
	for range 20 {
		require.NoError(t, os.RemoveAll(filepath.Join(g.dir, "download")))
		var ends []chan result
		for i := range 8 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rand.IntN(5))*time.Millisecond)
			if i%4 == 0 {
				ctx = t.Context()
			}
			defer cancel()
			ends = append(ends, g.begin(ctx))
		}
		for _, end := range ends {
			<-end
		}
	}
	g.served.Wait()
	spans := make(map[exchange.SpanID]int)
	started := 0
	for _, a := range g.accounts {
		for _, at := range a.Attempts {
			spans[at.Span.SpanID]++
		}
		if a.Result == exchange.Miss {
			started++
		}
	}
	assert.Len(t, spans, int(g.spans), "none is lost")
	for id, n := range spans {
		assert.Equal(t, 1, n, "attempt %v is told twice", id)
	}
	assert.GreaterOrEqual(t, int(g.spans), started)
}
