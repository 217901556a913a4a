// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/phase"
	"github.com/modtap/modtap/internal/redact"
)

// asking is one element being asked. It is the transport of that element's
// http.Client, so that each redirect becomes an attempt of its own.
type asking struct {
	base    http.RoundTripper
	origin  *url.URL // The element's.
	subject string   // What is asked for: a module, or a file that belongs to none.
	guard   Guard
	asks    goproxy.Request // By the next request; zero: it is a redirect's.
	hosts   *hosts
	ledger  *Ledger
	clock   *phase.Clock
	idle    time.Duration
	cancel  context.CancelCauseFunc
	retries *retries // Of the same file by the same element.

	current *exchange.Attempt // Nil before the first request.
	permit  *permit           // Of current; nil: its breaker refused or knows the end.
	start   time.Time
	done    bool // current's duration is known.
	broke   error
	// unreachable is true where nothing could be asked: there was no connection.
	unreachable bool
}

// RoundTrip implements [http.RoundTripper].
func (a *asking) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err // Nothing is sent any more, so there is nothing to record.
	}
	if a.current != nil {
		a.report("")
		a.end("", "")
	}
	out := a.begin(req)
	a.permit, a.unreachable = nil, false
	var err error
	a.current.Leak, err = a.guard(req.URL, a.asks)
	a.asks = goproxy.Request{}
	if err != nil {
		return nil, err
	}
	host := a.hosts.at(req.URL, a.origin)
	if a.permit, err = host.allow(a.subject); err != nil {
		return nil, err
	}
	a.retries.sent++
	resp, err := a.base.RoundTrip(out)
	if req.Context().Err() == nil && a.retries.stale(err) { // The circuit breaker needn't hear of it: that connection says nothing of the host.
		leak := a.current.Leak
		a.end(Word(err), "")
		out = a.begin(req)
		out.Close, a.current.Leak = true, leak
		a.retries.sent++
		resp, err = a.base.RoundTrip(out)
	}
	if err != nil {
		a.unreachable = unreachable(err)
		if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			host.shows(refused.UnverifiedCertificates)
		}
		return nil, err
	}
	if resp.TLS != nil {
		host.shows(resp.TLS.PeerCertificates)
	}
	a.permit.answered()
	a.current.FirstByte = max(time.Since(a.start), 1)
	a.current.Status = resp.StatusCode
	resp.Body = &body{ReadCloser: resp.Body, asking: a, attempt: a.current}
	return resp, nil
}

// begin begins the attempt that sends what it returns.
func (a *asking) begin(req *http.Request) *http.Request {
	req = req.Clone(req.Context()) // A RoundTripper must not change its request.
	at := a.clock.Now()            // before a.start, or the attempt would seem to end later than it does
	a.start, a.done = time.Now(), false
	a.current = &exchange.Attempt{
		Start:  at,
		Span:   a.ledger.inject(req.Header),
		Method: req.Method,
		URL:    redact.URL(req.URL),
		Resend: a.retries.sent,
	}
	a.current.Address, a.current.Port = endpoint(req.URL)
	if address, port := endpoint(a.origin); address != a.current.Address || port != a.current.Port {
		a.current.Origin, a.current.OriginPort = address, port
	}
	return req
}

// endpoint returns server.address and server.port of u.
func endpoint(u *url.URL) (address string, port uint16) {
	n, _ := strconv.ParseUint(portOf(u), 10, 16)
	return u.Hostname(), uint16(n)
}

// ends reports how the current attempt ended and returns the step that records it.
func (a *asking) ends(word string) step {
	a.report(word)
	return step{record: func(reason string) { a.end(word, reason) }}
}

// report tells the circuit breaker how the current attempt ended.
func (a *asking) report(word string) {
	switch {
	case a.permit == nil:
	case word == exchange.ErrorCanceled:
		a.permit.drop()
	case a.unreachable, a.current.Status == 0 && word == exchange.ErrorTimeout:
		a.permit.fail(a.unreachable)
	case a.current.Status == 0, a.current.Status >= http.StatusInternalServerError, a.broke != nil:
		a.permit.failSubject()
	default:
		a.permit.succeed()
	}
}

// transience is t, unless the breaker is open by now.
func (a *asking) transience(t transience) transience {
	if a.permit == nil || a.permit.open() {
		return transience{}
	}
	return t
}

// end records the current attempt, if there is one that isn't recorded yet.
func (a *asking) end(word, reason string) {
	if a.current == nil {
		return
	}
	a.stop(a.current)
	a.current.Error, a.current.Reason = word, reason
	a.ledger.add(*a.current)
	a.current = nil
}

// stop fixes the duration of an attempt, once.
func (a *asking) stop(at *exchange.Attempt) {
	if at == a.current && !a.done {
		a.done = true
		at.Duration = time.Since(a.start)
	}
}

// body counts what is read and ends an answer that stands still. The time
// between two reads is the reader's own and doesn't count.
type body struct {
	io.ReadCloser
	asking  *asking
	attempt *exchange.Attempt
	timer   *time.Timer
}

func (b *body) Read(p []byte) (int, error) {
	if idle := b.asking.idle; idle > 0 {
		if b.timer == nil {
			b.timer = time.AfterFunc(idle, func() { b.asking.cancel(errIdle) })
		} else {
			b.timer.Reset(idle)
		}
		defer b.timer.Stop()
	}
	reads := b.asking.clock.Enter(exchange.PhaseDownload)
	n, err := b.ReadCloser.Read(p)
	reads.Leave()
	b.attempt.BodySize += int64(n)
	if err != nil {
		b.asking.stop(b.attempt)
		if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			b.asking.broke = err
		}
	}
	return n, err
}

// errAnswer is an answer that can't be read, or a redirect that isn't followed. Its
// text has nothing of what the upstream wrote, a password or a signature in a
// Location included.
type errAnswer string

func (e errAnswer) Error() string   { return string(e) }
func (errAnswer) ErrorType() string { return exchange.ErrorBadResponse }

// redirect is the go command's policy, ten and never from https to http, and that
// of RFC 9110, section 4.2: only what http and https can name is asked.
func redirect(req *http.Request, via []*http.Request) error {
	switch scheme := req.URL.Scheme; {
	case scheme != "http" && scheme != "https":
		return errAnswer("redirected to what is neither an http nor an https URL")
	case req.URL.Host == "" || req.URL.Hostname() == "":
		return errAnswer("redirected to a URL without a host")
	case scheme == "http" && via[0].URL.Scheme == "https":
		return errAnswer("redirected from a secure URL to an insecure one")
	case len(via) >= 10:
		return errAnswer("stopped after 10 redirects")
	}
	// net/http says where it comes from: the path names the module, which may be
	// private, and the query of an earlier hop may be a signature.
	req.Header.Del("Referer")
	return nil
}

// plain is err without what the upstream wrote, which net/http quotes where it can't
// read an answer.
func (a *asking) plain(err error) error {
	if own, ok := errors.AsType[errAnswer](err); ok {
		return own
	}
	if a.current != nil && a.current.Status >= 300 && a.current.Status < 400 {
		return errAnswer("redirected to what is no URL")
	}
	if Word(err) == exchange.ErrorBadResponse {
		return errAnswer("malformed HTTP response")
	}
	return err
}

func isPlainText(contentType string) bool {
	media, params, _ := mime.ParseMediaType(contentType)
	if media != "text/plain" {
		return false
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "us-ascii":
		return true
	}
	return false
}
