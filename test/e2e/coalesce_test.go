// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestThunderingHerd lets 32 clients ask at once for one cold module of 20 MB.
func TestThunderingHerd(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/big", 20<<20)
	o.delay = 3 * time.Second // all clients come meanwhile
	m := start(t, o.goproxy())
	const zipPath = "/example.com/big/@v/v1.0.0.zip"
	want := o.files[zipPath]

	const clients = 32
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			a := <-getting(m.proxy + zipPath)
			assert.Equal(t, http.StatusOK, a.status)
			assert.True(t, bytes.Equal(want, a.body), "all bytes are right")
		})
	}
	wg.Wait()
	assert.Equal(t, 1, o.count(zipPath), "one fetch upstream")
	results := map[string]int{}
	attempts := 0
	for _, d := range m.settled(clients) {
		results[d.Goproxy.Cache.Result]++
		attempts += len(d.Goproxy.Upstream)
	}
	assert.Equal(t, map[string]int{"miss": 1, "coalesced": clients - 1}, results)
	assert.Equal(t, 1, attempts, "the fetch is told once")
	t.Logf("%d clients: %d upstream fetch, %v", clients, o.count(zipPath), results)
}

// TestFirstClientHangsUp lets the client that caused a fetch leave: the others
// still get the module.
func TestFirstClientHangsUp(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/big", 20<<20)
	o.delay = 4 * time.Second // all clients come meanwhile
	m := start(t, o.goproxy())
	const zipPath = "/example.com/big/@v/v1.0.0.zip"

	ctx, leave := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.proxy+zipPath, http.NoBody)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		assert.ErrorIs(t, err, context.Canceled)
	})
	require.Eventually(t, func() bool { return o.count(zipPath) == 1 }, time.Minute, 10*time.Millisecond)
	const others = 5
	for range others {
		wg.Go(func() {
			a := <-getting(m.proxy + zipPath)
			assert.Equal(t, http.StatusOK, a.status)
			assert.True(t, bytes.Equal(o.files[zipPath], a.body))
		})
	}
	require.Eventually(t, func() bool {
		return m.sample("http_server_active_requests", `goproxy_operation="zip"`) == others+1
	}, time.Minute, 10*time.Millisecond, "all are there")
	leave()
	wg.Wait()
	assert.Equal(t, 1, o.count(zipPath), "the fetch went on")
	outcomes := map[string]int{}
	for _, d := range m.settled(others + 1) {
		outcomes[d.Goproxy.Outcome+" "+d.Goproxy.Cache.Result]++
	}
	assert.Equal(t, map[string]int{"client_gone miss": 1, "ok coalesced": others}, outcomes)
}

// TestBrokenFetchLeavesNothing breaks an upstream's answer off: the client gets
// an error, the cache stays empty, and the next request succeeds.
func TestBrokenFetchLeavesNothing(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/m", 1<<20)
	o.delay = 5 * time.Second
	m := start(t, o.goproxy())
	const zipPath = "/example.com/m/@v/v1.0.0.zip"
	done := getting(m.proxy + zipPath)
	require.Eventually(t, func() bool { return o.halves.Load() == 1 }, time.Minute, 10*time.Millisecond)
	o.CloseClientConnections()
	a := <-done
	require.NoError(t, a.err)
	assert.Equal(t, http.StatusBadGateway, a.status)
	assert.Empty(t, cached(t, m))
	d := m.settled(1)[0]
	assert.Equal(t, "upstream_error", d.Goproxy.Outcome)

	o.mu.Lock()
	o.delay = 0
	o.mu.Unlock()
	status, body := get(t, m.proxy+zipPath)
	assert.Equal(t, http.StatusOK, status)
	assert.True(t, bytes.Equal(o.files[zipPath], body))
}
