// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

func TestDisposition(t *testing.T) {
	gone := errors.New("broken pipe")
	blocked := []exchange.Attempt{{Error: exchange.ErrorTimeout}, {Error: exchange.ErrorLeakBlocked}}
	for name, tt := range map[string]struct {
		backend  exchange.Disposition
		attempts []exchange.Attempt
		status   int
		write    error
		cutOff   bool
		want     exchange.Disposition
	}{
		"complete":                                {status: 200, want: exchange.Complete},
		"complete, at a stop":                     {status: 200, cutOff: true, want: exchange.Complete},
		"the writer saw the client leave":         {status: 200, write: gone, want: exchange.ClientGone},
		"the backend saw the client leave":        {backend: exchange.ClientGone, want: exchange.ClientGone},
		"we broke off at a stop":                  {status: 200, write: gone, cutOff: true, want: exchange.Interrupted},
		"a 4xx is an answer by its status":        {status: 404, write: gone, want: exchange.Complete},
		"a 4xx, at a stop":                        {backend: exchange.ClientGone, status: 410, cutOff: true, want: exchange.Complete},
		"a 5xx isn't":                             {status: 502, write: gone, want: exchange.ClientGone},
		"the upstream broke":                      {backend: exchange.UpstreamBroke, status: 200, want: exchange.UpstreamBroke},
		"the upstream broke, and the client left": {backend: exchange.UpstreamBroke, status: 200, write: gone, cutOff: true, want: exchange.UpstreamBroke},
		"refused":                      {backend: exchange.Refused, status: 400, want: exchange.Refused},
		"refused, and the client left": {backend: exchange.Refused, status: 400, write: gone, want: exchange.Refused},
		"kept back":                    {attempts: blocked, status: 404, want: exchange.Refused},
		"kept back, and the client left the text":    {attempts: blocked, status: 404, write: gone, want: exchange.Refused},
		"kept back, but another element decided":     {attempts: blocked, status: 502, want: exchange.Complete},
		"kept back, but the client left before that": {backend: exchange.ClientGone, attempts: blocked, want: exchange.ClientGone},
	} {
		w := &recordingWriter{status: tt.status, err: tt.write}
		assert.Equal(t, tt.want, disposition(&result{disposition: tt.backend, attempts: tt.attempts}, w, tt.cutOff), name)
	}
}

// TestTheEgressResetsAnswersThatBreak is suiteBrokenHTTP10 for answers of the list.
func TestTheEgressResetsAnswersThatBreak(t *testing.T) {
	origin := startOrigin(t, breaking(answer("200 OK", chunked)+"4\r\nhalf\r\n", true))
	cfg := testConfig(t, origin.url)
	cfg.GOPROXY, cfg.Egress.Endpoint = origin.url, "127.0.0.1:0"
	r := startReceiver(t, cfg)
	c := dial(t, r.egress)
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	write(t, c, r.egress, "GET "+zip+" HTTP/1.0\r\n\r\n")
	got, err := io.ReadAll(c)
	require.ErrorIs(t, err, syscall.ECONNRESET, "received: %.300q", got)
	all := r.exchanges(t)
	require.Len(t, all, 1)
	assert.Equal(t, "upstream_error", all[0].log["goproxy.outcome"])
}
