// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// breaking returns a client whose breakers open after three failures, for 10 s.
func breaking(t *testing.T, s *script, list string) (c *Client, ask func() (how []string, err error)) {
	t.Helper()
	c = client(t, list, func(set *Settings) { set.Transport, set.Breaker = s, Breaker{Failures: 3} })
	return c, func() (how []string, err error) {
		trail := new(Trail)
		err = c.Do(NewContext(t.Context(), trail), Request{File: stem + ".mod"}, readAll(new(string)))
		for _, at := range trail.Take() {
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
		s := &script{lines: []reply{says(500), fails(errNobody), fails(errIdle), says(503), says(200)}}
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
		_, err = ask() // 503
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
			says(500), says(200), says(500), says(200), says(500), says(200), says(200),
		}}
		c, ask := breaking(t, s, "https://a.example|https://b.example")
		for range 3 {
			how, err := ask()
			require.NoError(t, err)
			assert.Equal(t, []string{"a.example  error", "b.example  "}, how)
		}
		how, err := ask()
		require.NoError(t, err)
		assert.Equal(t, []string{"a.example circuit_open circuit_open", "b.example  "}, how, "a pipe goes on")
		assert.Equal(t, map[string]Circuit{"a.example": Open, "b.example": Closed}, circuits(c))
	})
}

func TestBreakerCountsRealFailuresOnly(t *testing.T) {
	for _, code := range []int{200, 400, 401, 403, 404, 410, 429} {
		s := &script{lines: []reply{says(500), says(500), says(code), says(500), says(500), says(code)}}
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
			says(500), says(500), hangs, hangs, says(500), hangs, says(200),
		}}
		c, ask := breaking(t, s, "https://a.example")
		leave := func() {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, context.Canceled)
			defer cancel()
			require.ErrorIs(t, c.Do(ctx, Request{File: stem + ".mod"}, readAll(new(string))), context.Canceled)
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
		s := &script{lines: []reply{says(500), says(500), says(500), says(200)}}
		c, ask := breaking(t, s, "https://a.example")
		for range 3 {
			_, _ = ask()
		}
		time.Sleep(DefaultOpen + time.Millisecond)
		require.NoError(t, c.Do(t.Context(), Request{File: stem + ".zip"}, func(a *Answer) error {
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
	for range 2 {
		require.Error(t, c.Do(t.Context(), Request{File: stem + ".zip"}, readAll(new(string))))
	}
	assert.Equal(t, Open, circuits(c)["127.0.0.1"])
}

func TestRetriesEndWhenTheBreakerOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{lines: []reply{says(503)}}
		c := client(t, "https://a.example", func(set *Settings) {
			set.Transport, set.Breaker, set.Retry = s, Breaker{Failures: 2}, Retry{Max: 5}
		})
		e := requireError(t, c.Do(t.Context(), Request{File: stem + ".mod"}, readAll(new(string))))
		assert.Equal(t, 503, e.Code, "what opened the breaker is told")
		assert.Len(t, s.hosts, 2)
	})
}

func TestFolderHasNoBreaker(t *testing.T) {
	c := client(t, "file://"+t.TempDir(), func(s *Settings) { s.Breaker.Failures = 1 })
	for range 2 {
		e := requireError(t, c.Do(t.Context(), Request{File: stem + ".mod"}, readAll(new(string))))
		assert.Equal(t, 404, e.Status())
	}
	assert.Empty(t, c.Hosts())
}
