// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"net"
	"net/http"
	"slices"

	"github.com/modtap/modtap/internal/exchange"
)

// result is what a backend knows of an exchange when it has answered.
type result struct {
	attempts []exchange.Attempt
	cache    exchange.CacheEvidence
	// cause is the exchange whose fetch this one waited for; zero: none.
	cause exchange.Span
	// word is the error.type where no status code says it.
	word string
	// disposition is how the backend's part ended; see [disposition] for the whole.
	disposition exchange.Disposition
}

// broken is the result of a backend with a fault of its own: it returned none.
var broken = result{disposition: exchange.UpstreamBroke, word: exchange.ErrorOther}

// breaksOff reports whether the answer couldn't be ended.
func (res *result) breaksOff() bool {
	return res.disposition == exchange.ClientGone || res.disposition == exchange.UpstreamBroke
}

// disposition decides how an exchange ended, by what the backend and the writer of the
// answer saw. cutOff says that we ended it, at a stop.
func disposition(res *result, w *recordingWriter, cutOff bool) exchange.Disposition {
	ended := res.disposition
	if ended == exchange.Complete && w.err != nil {
		ended = exchange.ClientGone
	}
	switch {
	case ended == exchange.ClientGone && w.status/100 == 4:
		ended = exchange.Complete // the status is the answer: the go command leaves the text unread
	case ended == exchange.ClientGone && cutOff:
		ended = exchange.Interrupted // it didn't leave
	}
	if ended == exchange.Complete && w.status == http.StatusNotFound && slices.ContainsFunc(res.attempts, withheld) {
		return exchange.Refused // the answer is that nothing was sent
	}
	return ended
}

// withheld reports whether the guard kept an attempt back.
func withheld(a exchange.Attempt) bool { return a.Error == exchange.ErrorLeakBlocked }

// leaked returns the pattern of the private module that an attempt told the public of,
// or would have told; empty: none did.
func leaked(attempts []exchange.Attempt) string {
	for i := range attempts {
		if a := &attempts[i]; a.Leak != "" && a.Error != exchange.ErrorCircuitOpen {
			return a.Leak
		}
	}
	return ""
}

// breakOff ends an answer so that the client sees a broken transfer, never a
// short success. In HTTP/1.0 the connection's end can be the answer's, so there
// only a reset tells.
func breakOff(w http.ResponseWriter, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
	}
	panic(http.ErrAbortHandler)
}
