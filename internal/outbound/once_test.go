// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

var sickness = map[string][]backends.Ending{
	"http":  {backends.OnAccept, backends.BeforeHeader, backends.InHeader, backends.OnReuse, backends.TimeOutReuse},
	"https": {backends.OnAccept, backends.BeforeHeader, backends.InHeader, backends.OnReuse, backends.TimeOutReuse},
	"h2": {
		backends.OnAccept, backends.BeforeHeader, backends.InHeader, backends.OnReuse,
		backends.GoAway, backends.RefuseStream, backends.BreakStream, backends.GoAwayReuse,
	},
}

func sickTransport(t *testing.T) *Transport {
	transport := New(Settings{Header: 5 * time.Second, TLS: &tls.Config{InsecureSkipVerify: true}})
	transport.MaxIdleConnsPerHost = 64
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func ask(t *testing.T, send func(*http.Request) (*http.Response, error), url string) error {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	answer, err := send(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	assert.JSONEq(t, backends.SickBody, string(body))
	return err
}

// warm fills the pool of idle connections.
func warm(t *testing.T, s *backends.Sick, transport *Transport, n int) {
	var asking sync.WaitGroup
	s.Gather(n)
	for range n {
		asking.Go(func() { assert.NoError(t, ask(t, transport.Send, s.URL)) })
	}
	asking.Wait()
}

// TestNothingIsSentTwice: however an upstream ends what it is sent, one sending is one request there.
func TestNothingIsSentTwice(t *testing.T) {
	for protocol, all := range sickness {
		for _, ending := range all {
			for _, reset := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s, reset %t", protocol, ending, reset), func(t *testing.T) {
					t.Parallel()
					s, transport := backends.NewSick(t, protocol), sickTransport(t)
					warm(t, s, transport, map[string]int{"http": 17, "https": 17, "h2": 1}[protocol])
					s.Become(ending, reset)
					for range 20 {
						received, accepted := s.Counts()
						begun := time.Now()
						err := ask(t, transport.Send, s.URL)
						after, now := s.Counts()
						assert.LessOrEqual(t, after-received, 1, "%v", err)
						assert.LessOrEqual(t, now-accepted, 1, "%v", err)
						assert.Less(t, time.Since(begun), 5*time.Second, "%v", err)
						if Stale(err) {
							if ending == backends.OnReuse || ending == backends.TimeOutReuse || ending == backends.GoAwayReuse {
								require.NoError(t, ask(t, transport.RoundTrip, s.URL), "a new connection is served")
							}
						}
					}
					s.Become(backends.None, false)
					require.Eventually(t, func() bool { return ask(t, transport.RoundTrip, s.URL) == nil }, time.Minute, 10*time.Millisecond)
				})
			}
		}
	}
}

// TestIdleConnectionsThatAreClosed: a server that closes what is idle, at the moment in which a request comes or not, fails none.
func TestIdleConnectionsThatAreClosed(t *testing.T) {
	for _, protocol := range []string{"http", "https", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, backends.SickBody)
			}))
			const idle = 250 * time.Millisecond // a fresh connection must be used sooner, on a busy machine too
			s.Config.IdleTimeout = idle
			s.EnableHTTP2 = protocol == "h2"
			if protocol == "http" {
				s.Start()
			} else {
				s.StartTLS()
			}
			t.Cleanup(s.Close)
			transport := sickTransport(t)
			var asking sync.WaitGroup
			for worker := range 8 {
				asking.Go(func() {
					for n := range 20 {
						time.Sleep(idle - 10*time.Millisecond + time.Duration(worker*370+n*1130)%20000*time.Microsecond)
						assert.NoError(t, ask(t, transport.RoundTrip, s.URL))
					}
				})
			}
			asking.Wait()
		})
	}
}

// TestOnlyWhatIsRepeatableHasNoAnswer: a 408 to what has a body, which may have come too slowly, is its answer.
func TestOnlyWhatIsRepeatableHasNoAnswer(t *testing.T) {
	s, transport := backends.NewSick(t, "http"), sickTransport(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		s.Become(backends.None, false)
		warm(t, s, transport, 1)
		s.Become(backends.TimeOutReuse, false)
		request, err := http.NewRequestWithContext(t.Context(), method, s.URL, http.NoBody)
		require.NoError(t, err)
		answer, err := transport.Send(request)
		if method != http.MethodPost {
			assert.True(t, Stale(err), method)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, http.StatusRequestTimeout, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
	}
}
