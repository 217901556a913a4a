// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestABodyThatStandsStill: what comes to a stop in the middle is the upstream's doing,
// whoever loses patience first; who leaves what moves, or at once, is gone, and a client
// that takes its time costs the upstream nothing.
func TestABodyThatStandsStill(t *testing.T) {
	t.Setenv("GONOPROXY", "none")
	const idle = 1200 * time.Millisecond
	drop := func(time.Duration) time.Duration { return idle }
	keep := func(d time.Duration) time.Duration { return d }
	moving := func(c net.Conn, _ received) {
		send(c, answer("200 OK", "Content-Length: 10"))
		for range 10 {
			time.Sleep(idle / 8)
			send(c, "x")
		}
	}
	large := strings.Repeat("x", 32<<20)
	for _, c := range []struct {
		name    string
		origin  func(net.Conn, received)
		idle    func(time.Duration) time.Duration
		leave   time.Duration // after the first byte of the answer; zero: never
		pause   time.Duration // the client's, likewise
		outcome string
	}{
		{"the bound", startAndWait, drop, 0, 0, "timeout"},
		{"the bound, before the first byte", func(c net.Conn, r received) { send(c, answer("200 OK", "Content-Length: 9")); silent(c, r) }, drop, 0, 0, "timeout"},
		{"slow, and moves", moving, drop, 0, 0, "ok"},
		{"the client is slow", raw(answer("200 OK", "Content-Length: 33554432") + large), drop, 0, 3 * idle, "ok"},
		{"the client leaves at once", startAndWait, keep, time.Second, 0, "client_gone"},
		{"the client gives up", startAndWait, keep, stillAfter + time.Second, 0, "timeout"},
	} {
		for _, way := range []string{"forward", "egress"} {
			t.Run(c.name+", "+way, func(t *testing.T) {
				origin := startOrigin(t, c.origin)
				cfg := testConfig(t, origin.url)
				cfg.Forward.IdleBodyTimeout = c.idle(cfg.Forward.IdleBodyTimeout)
				cfg.Chain.IdleBodyTimeout = c.idle(cfg.Chain.IdleBodyTimeout)
				cfg.Chain.Retry.MaxRetries = 0
				cfg.GOPROXY = origin.url
				if way == "egress" {
					cfg.Egress.Endpoint = "127.0.0.1:0"
				}
				r := startReceiver(t, cfg)
				url := map[string]string{"forward": r.url, "egress": r.egress}[way]
				conn := dial(t, url)
				write(t, conn, url, get(zip))
				_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
				body := bufio.NewReader(conn)
				_, err := body.Peek(1) // Without a byte of the body there may be no header.
				time.Sleep(c.pause + c.leave)
				if err == nil && c.leave == 0 {
					resp, err := http.ReadResponse(body, nil)
					require.NoError(t, err)
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					assert.Equal(t, c.outcome == "ok", err == nil, "what broke off looks broken: %v", err)
				}
				_ = conn.Close()
				all := r.exchanges(t)
				require.Len(t, all, 1)
				assert.Equal(t, c.outcome, all[0].log["goproxy.outcome"])
				if c.outcome == "timeout" {
					assert.Equal(t, "timeout", all[0].log["error.type"])
				} else {
					assert.NotContains(t, all[0].log, "error.type")
				}
			})
		}
	}
}
