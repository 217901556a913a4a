// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// breaking returns a client whose breakers open after three failures, for 10 s. Each
// time another module is asked for.
func breaking(t *testing.T, s *script, list string) (c *Client, ask func() (how []string, err error)) {
	t.Helper()
	c = client(t, list, func(set *Settings) { set.Transport, set.Breaker = s, Breaker{Failures: 3} })
	modules := 0
	return c, func() (how []string, err error) {
		ledger := new(Ledger)
		modules++
		file := fmt.Sprintf("example.com/m%d/@v/v1.0.0.mod", modules)
		err = c.Do(t.Context(), Request{Ledger: ledger, Request: asks(file)}, readAll(new(string)))
		for _, at := range ledger.Take() {
			how = append(how, at.Address+" "+at.Error+" "+at.Reason)
		}
		return how, err
	}
}

func circuits(c *Client) map[string]Circuit {
	states := map[string]Circuit{}
	for _, h := range c.Hosts() {
		states[h.Address] = h.Circuit
	}
	return states
}

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{lines: []reply{fails(errIdle), fails(errIdle), fails(refusedDial), fails(refusedDial), says(200)}}
		c, ask := breaking(t, s, "https://a.example,https://b.example")
		assert.Empty(t, c.Hosts())
		for range 3 {
			assert.Equal(t, Closed, circuits(c)["a.example"])
			_, err := ask()
			require.Error(t, err)
		}
		assert.Equal(t, map[string]Circuit{"a.example": Open}, circuits(c))

		how, err := ask()
		e := requireError(t, err)
		assert.Equal(t, 502, e.Status())
		assert.Equal(t, "circuit_open", e.Word)
		assert.False(t, e.Confirmed, "what the cache holds is served")
		require.ErrorContains(t, err, "circuit breaker for a.example is open")
		assert.Equal(t, []string{"a.example circuit_open "}, how, "a comma stops there")
		assert.Len(t, s.hosts, 3, "nothing is sent")

		time.Sleep(DefaultOpen + time.Millisecond)
		assert.Equal(t, HalfOpen, circuits(c)["a.example"])
		_, err = ask()
		require.Error(t, err)
		assert.Equal(t, Open, circuits(c)["a.example"], "the probe failed")
		assert.Len(t, s.hosts, 4)

		time.Sleep(DefaultOpen + time.Millisecond)
		_, err = ask() // 200
		require.NoError(t, err)
		assert.Equal(t, Closed, circuits(c)["a.example"])
		_, err = ask()
		require.NoError(t, err)
	})
}

func TestBreakerAndPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{lines: []reply{
			fails(refusedDial), says(200), fails(refusedDial), says(200), fails(refusedDial), says(200), says(200),
		}}
		c, ask := breaking(t, s, "https://a.example|https://b.example")
		for range 3 {
			how, err := ask()
			require.NoError(t, err)
			assert.Equal(t, []string{"a.example connection_refused error", "b.example  "}, how)
		}
		how, err := ask()
		require.NoError(t, err)
		assert.Equal(t, []string{"a.example circuit_open circuit_open", "b.example  "}, how, "a pipe goes on")
		assert.Equal(t, map[string]Circuit{"a.example": Open, "b.example": Closed}, circuits(c))
	})
}

func TestBreakerCountsRealFailuresOnly(t *testing.T) {
	for _, code := range []int{200, 400, 401, 403, 404, 410, 429, 500, 503} {
		s := &script{lines: []reply{fails(refusedDial), fails(errIdle), says(code), fails(errIdle), fails(errIdle), says(code)}}
		c, ask := breaking(t, s, "https://a.example")
		for range 12 {
			_, _ = ask()
		}
		assert.Equal(t, Closed, circuits(c)["a.example"], "%d ends a row of failures", code)
	}
}

func TestBreakerAndClientsThatLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := reply{hangs: true}
		s := &script{lines: []reply{
			fails(errIdle), fails(errIdle), hangs, hangs, fails(errIdle), hangs, says(200),
		}}
		c, ask := breaking(t, s, "https://a.example")
		leave := func() {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, context.Canceled)
			defer cancel()
			require.ErrorIs(t, c.Do(ctx, Request{Request: asks(stem + ".mod")}, readAll(new(string))), context.Canceled)
		}
		_, _ = ask()
		_, _ = ask()
		leave()
		leave()
		assert.Equal(t, Closed, circuits(c)["a.example"], "who left says nothing of the upstream")
		_, _ = ask()
		assert.Equal(t, Open, circuits(c)["a.example"], "nor does it end a row")

		time.Sleep(DefaultOpen + time.Millisecond)
		leave()
		assert.Equal(t, Open, circuits(c)["a.example"], "a probe that was left doesn't block the next one")
		time.Sleep(DefaultOpen + time.Millisecond)
		_, err := ask()
		require.NoError(t, err)
		assert.Equal(t, Closed, circuits(c)["a.example"])
	})
}

// A probe with a long body must not keep others waiting.
func TestProbeEndsWithItsHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{lines: []reply{fails(refusedDial), fails(refusedDial), fails(refusedDial), says(200)}}
		c, ask := breaking(t, s, "https://a.example")
		for range 3 {
			_, _ = ask()
		}
		time.Sleep(DefaultOpen + time.Millisecond)
		require.NoError(t, c.Do(t.Context(), Request{Request: asks(stem + ".zip")}, func(a *Answer) error {
			_, err := ask()
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, a.Body)
			return err
		}))
	})
}

func TestBodiesThatBreakAreFailures(t *testing.T) {
	a := start(t, broken)
	c := client(t, a.URL, func(s *Settings) { s.Breaker = Breaker{Failures: 2} })
	for _, sent := range []int{1, 2, 2} {
		require.Error(t, c.Do(t.Context(), Request{Request: asks("example.com/m/@v/v1.0.0.zip")}, readAll(new(string))))
		assert.Len(t, a.paths(), sent)
	}
	assert.Equal(t, Closed, circuits(c)["127.0.0.1"], "of the module, not of the host")
}

func TestRetriesEndWhenTheBreakerOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{lines: []reply{fails(syscall.ECONNREFUSED)}}
		c := client(t, "https://a.example", func(set *Settings) {
			set.Transport, set.Breaker, set.Retry = s, Breaker{Failures: 2}, Retry{Max: 5}
		})
		e := requireError(t, c.Do(t.Context(), Request{Request: asks(stem + ".mod")}, readAll(new(string))))
		assert.Equal(t, "connection_refused", e.Word, "what opened the breaker is told")
		assert.Len(t, s.hosts, 2)
	})
}

func TestFolderHasNoBreaker(t *testing.T) {
	c := client(t, "file://"+t.TempDir(), func(s *Settings) { s.Breaker.Failures = 1 })
	for range 2 {
		e := requireError(t, c.Do(t.Context(), Request{Request: asks(stem + ".mod")}, readAll(new(string))))
		assert.Equal(t, 404, e.Status())
	}
	assert.Empty(t, c.Hosts())
}

// A certificate that was renewed while nobody connected isn't told as expiring.
func TestWhatWasShownLongAgoIsntTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(Breaker{})
		u := &url.URL{Scheme: "https", Host: "a.test"}
		expires := time.Now().Add(30 * 24 * time.Hour)
		h.at(u, u).shows([]*x509.Certificate{{NotAfter: expires}})
		for range 23 {
			assert.Equal(t, expires, h.all()[0].Expiry)
			time.Sleep(time.Hour)
		}
		time.Sleep(time.Hour)
		require.Len(t, h.all(), 1)
		assert.Zero(t, h.all()[0].Expiry)
		h.at(u, u).shows([]*x509.Certificate{{NotAfter: expires}})
		assert.Equal(t, expires, h.all()[0].Expiry)
	})
}
