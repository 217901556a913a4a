// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"

	"github.com/modtap/modtap/internal/exchange"
)

// closedError is what a request comes to whose connection the peer ended, or whose stream it refused, before a byte of an answer.
type closedError struct {
	err   error
	stale bool
}

func (e *closedError) Error() string {
	if errors.Is(e.err, errStopped) {
		return "the connection was closed, or the stream refused, before an answer"
	}
	return e.err.Error()
}

func (e *closedError) Unwrap() error { return e.err }

// ErrorType is the error.type word.
func (*closedError) ErrorType() string { return exchange.ErrorReset }

var errTimedOut = errors.New("the connection was idle for too long: 408 Request Timeout")

// timedOut tells whether an answer is none to the request: the peer, which had waited too long for one on a connection that it
// had kept, said so and closed it, and the request was on its way (RFC 9110, section 15.5.9). net/http knows such an answer only
// where no request is.
func (s *sending) timedOut(answer *http.Response) bool {
	return answer.StatusCode == http.StatusRequestTimeout && answer.Close && s.reused && s.conn != nil
}

// Stale reports whether a request that failed with err was sent on a connection that had been used before, which the peer ended
// without a byte of an answer, or with a 408: it may have closed what was idle in the moment in which the request left (RFC 9112, section 9.5);
// or whether the peer says by the means of HTTP/2 that it didn't process it (RFC 9113, section 8.7). Either says nothing of the
// peer's health. A GET or HEAD of this kind is to be sent again at once (RFC 9110, section 9.2.2), with [http.Request.Close] set.
func Stale(err error) bool {
	closed, ok := errors.AsType[*closedError](err)
	return ok && closed.stale
}

// failure is err with what is known of the connection.
func (s *sending) failure(err error) error {
	switch {
	case s.stopped.Load():
		return &closedError{err: errStopped, stale: true}
	case s.got && !s.answered.Load() && ended(err):
		return &closedError{err: err, stale: s.reused && s.sent()}
	}
	return err
}

// endings are how net/http says that the peer ended a connection, where that is no error of a type.
var endings = []string{"server closed idle connection", "server sent GOAWAY"}

// ended tells whether err is the end of a connection by the peer.
func ended(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return true
	}
	text := err.Error()
	for _, says := range endings {
		if strings.Contains(text, says) {
			return true
		}
	}
	return false
}
