// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/test/backends"
)

// reply is how a script answers: with a status, an error, or only when the client
// has left.
type reply struct {
	status int
	header []string
	err    error
	hangs  bool
}

func says(status int, header ...string) reply { return reply{status: status, header: header} }

func fails(err error) reply { return reply{err: err} }

// script is a transport that replies as written, the last line again and again.
type script struct {
	lines []reply
	hosts []string // Of the requests.
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	line := s.lines[min(len(s.hosts), len(s.lines)-1)]
	s.hosts = append(s.hosts, req.URL.Host)
	switch {
	case line.hangs:
		<-req.Context().Done()
		return nil, req.Context().Err()
	case line.err != nil:
		return nil, line.err
	}
	h := http.Header{"Content-Type": {"text/plain"}}
	for i := 0; i+1 < len(line.header); i += 2 {
		h.Set(line.header[i], line.header[i+1])
	}
	return &http.Response{StatusCode: line.status, Header: h, Body: io.NopCloser(strings.NewReader("text\n")), Request: req}, nil
}

func TestRetry(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, tt := range []struct {
		name   string
		lines  []reply
		method string
		sent   int
		status int // 0: accepted.
		least  time.Duration
	}{
		{"a refused connection passes", []reply{fails(refused), says(200)}, "", 2, 0, 50 * time.Millisecond},
		{"a reset passes", []reply{fails(syscall.ECONNRESET), says(200)}, "", 2, 0, 50 * time.Millisecond},
		{"a name server in trouble", []reply{fails(&net.DNSError{IsTemporary: true}), says(200)}, "", 2, 0, 0},
		{"no such host", []reply{fails(&net.DNSError{IsNotFound: true}), says(200)}, "", 1, 502, 0},
		{"a time-out to connect", []reply{fails(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), says(200)}, "", 2, 0, 0},
		{"a silent upstream", []reply{fails(&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}), says(200)}, "", 1, 504, 0},
		{"503 three times", []reply{says(503)}, "", 3, 502, 200 * time.Millisecond},
		{"502 then 504 then 200", []reply{says(502), says(504), says(200)}, "", 3, 0, 200 * time.Millisecond},
		{"503 with Retry-After", []reply{says(503, "Retry-After", "3"), says(200)}, "", 2, 0, 3 * time.Second},
		{"429 with Retry-After", []reply{says(429, "Retry-After", "2"), says(200)}, "", 2, 0, 2 * time.Second},
		{"429 with Retry-After that is too long", []reply{says(429, "Retry-After", "6"), says(200)}, "", 1, 429, 0},
		{"429 without", []reply{says(429), says(200)}, "", 1, 429, 0},
		{"500", []reply{says(500), says(200)}, "", 1, 502, 0},
		{"404", []reply{says(404), says(200)}, "", 1, 404, 0},
		{"HEAD", []reply{says(503), says(200)}, http.MethodHead, 1, 502, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{lines: tt.lines}
				c := client(t, "https://a.example", func(set *Settings) { set.Transport, set.Retry = s, Retry{Max: 2} })
				ledger := new(Ledger)
				begun := time.Now()
				err := c.Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".mod"), Method: tt.method}, readAll(new(string)))
				took := time.Since(begun)
				if tt.status == 0 {
					require.NoError(t, err)
				} else {
					assert.Equal(t, tt.status, requireError(t, err).Status())
				}
				assert.Len(t, s.hosts, tt.sent)
				assert.GreaterOrEqual(t, took, tt.least)
				assert.LessOrEqual(t, took, DefaultRetryTotal)
				got := ledger.Take()
				require.Len(t, got, tt.sent, "each sending is an attempt")
				for i, at := range got {
					assert.Equal(t, i, at.Resend)
					assert.Empty(t, at.Reason)
				}
			})
		})
	}
}

func TestRetryThenTheNextElement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{lines: []reply{says(503), says(503), says(503), says(200)}}
		c := client(t, "https://a.example|https://b.example", func(set *Settings) { set.Transport, set.Retry = s, Retry{Max: 2} })
		ledger := new(Ledger)
		require.NoError(t, c.Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".mod")}, readAll(new(string))))
		assert.Equal(t, []string{"a.example", "a.example", "a.example", "b.example"}, s.hosts)
		var reasons []string
		for _, at := range ledger.Take() {
			reasons = append(reasons, at.Reason)
		}
		assert.Equal(t, []string{"", "", "error", ""}, reasons, "the last sending is why the next element was asked")
	})
}

func TestRetryIsNotAfterTheFirstByte(t *testing.T) {
	a := start(t, broken)
	c := client(t, a.URL, func(s *Settings) { s.Retry.Max = 2 })
	require.Error(t, c.Do(t.Context(), Request{Request: asks(stem + ".zip")}, readAll(new(string))))
	assert.Len(t, a.paths(), 1)
}

func TestRetryEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{lines: []reply{says(503, "Retry-After", "4")}}
		c := client(t, "https://a.example|https://b.example", func(set *Settings) { set.Transport, set.Retry = s, Retry{Max: 2} })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := c.Do(ctx, Request{Request: asks(stem + ".mod")}, readAll(new(string)))
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, exchange.ErrorCanceled, requireError(t, err).Word)
		assert.Len(t, s.hosts, 1)
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, " 8 ": 8 * time.Second,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
		"": -1, "-1": -1, "soon": -1, "1.5": -1, "99999999999": -1,
	} {
		got, ok := retryAfter(text, now)
		assert.Equal(t, want >= 0, ok, text)
		assert.Equal(t, max(0, want), got, text)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "4294967296", "Fri, 02 Jan 2026 03:04:15 GMT", "Monday, 02-Jan-06 15:04:05 GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		after, _ := retryAfter(s, time.Unix(0, 0))
		assert.GreaterOrEqual(t, after, time.Duration(0))
	})
}

var refusedDial = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}

// TestEachSendingIsAnAttempt: however an upstream ends what it is sent, attempts are the requests that reached it, and
// no more than [Retry] allows.
func TestEachSendingIsAnAttempt(t *testing.T) {
	for protocol, pool := range map[string]int{"http": 17, "https": 17, "h2": 1} {
		endings := []backends.Ending{backends.OnAccept, backends.BeforeHeader, backends.InHeader, backends.OnReuse}
		if protocol != "h2" {
			endings = append(endings, backends.TimeOutReuse)
		} else {
			endings = append(endings, backends.GoAway, backends.RefuseStream, backends.BreakStream, backends.GoAwayReuse)
		}
		for i, ending := range endings {
			for retries := range 3 {
				reset := (i+retries)%2 == 0
				t.Run(fmt.Sprintf("%s %s, reset %t, %d retries", protocol, ending, reset, retries), func(t *testing.T) {
					t.Parallel()
					s := backends.NewSick(t, protocol)
					c := client(t, s.URL, func(set *Settings) {
						set.Retry = Retry{Max: retries}
						set.TLS.Load = func(context.Context) (*tls.Config, error) { return &tls.Config{InsecureSkipVerify: true}, nil }
					})
					s.Gather(pool)
					var asking sync.WaitGroup
					for range pool {
						asking.Go(func() {
							assert.NoError(t, c.Do(t.Context(), Request{Request: asks(stem + ".info")}, readAll(new(string))))
						})
					}
					asking.Wait()
					s.Become(ending, reset)
					for range 2 {
						before, accepted := s.Counts()
						ledger := new(Ledger)
						err := c.Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".info")}, readAll(new(string)))
						after, now := s.Counts()
						attempts := ledger.Take()
						if ending == backends.OnAccept { // What is not read reached nobody, but a connection each.
							assert.LessOrEqual(t, after-before, 1+max(1, retries))
							assert.LessOrEqual(t, now-accepted, len(attempts))
						} else {
							assert.Len(t, attempts, after-before, "%v", err)
						}
						assert.LessOrEqual(t, len(attempts), 1+max(1, retries), "%v", err)
						for i, at := range attempts {
							assert.Equal(t, i, at.Resend)
							assert.NotZero(t, at.Duration)
						}
						if ending == backends.OnReuse || ending == backends.TimeOutReuse || ending == backends.GoAwayReuse {
							require.NoError(t, err, "what was stale is sent again, whatever the setting")
						}
						for _, at := range attempts[:len(attempts)-1] {
							assert.Equal(t, exchange.ErrorReset, at.Error)
						}
					}
				})
			}
		}
	}
}
