// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// asking is one element being asked. It is the transport of that element's
// http.Client, so that each redirect becomes an attempt of its own.
type asking struct {
	base   http.RoundTripper
	guard  func(*url.URL) error
	hosts  *hosts
	trail  *Trail
	idle   time.Duration
	cancel context.CancelCauseFunc
	sent   *int // Requests for the same file to the same element.

	current *exchange.Attempt // Nil before the first request.
	permit  *permit           // Of current; nil: its breaker refused or knows the end.
	start   time.Time
	done    bool // current's duration is known.
	broke   error
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
	req = req.Clone(req.Context()) // A RoundTripper must not change its request.
	port, _ := strconv.ParseUint(portOf(req.URL), 10, 16)
	a.start, a.done = time.Now(), false
	a.current = &exchange.Attempt{
		Start:   exchange.Time(a.start.UnixNano()),
		Span:    a.trail.inject(req.Header),
		Method:  req.Method,
		URL:     bare(req.URL),
		Address: req.URL.Hostname(),
		Port:    uint16(port),
		Resend:  *a.sent,
	}
	a.permit = nil
	err := a.guard(req.URL)
	if err != nil {
		return nil, err
	}
	host := a.hosts.at(req.URL)
	if a.permit, err = host.allow(); err != nil {
		return nil, err
	}
	*a.sent++
	resp, err := a.base.RoundTrip(req)
	if err != nil {
		if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			host.shows(refused.UnverifiedCertificates)
		}
		return nil, err
	}
	if resp.TLS != nil {
		host.shows(resp.TLS.PeerCertificates)
	}
	a.permit.answered(resp.StatusCode)
	a.current.FirstByte = max(time.Since(a.start), 1)
	a.current.Status = resp.StatusCode
	resp.Body = &body{ReadCloser: resp.Body, asking: a, attempt: a.current}
	return resp, nil
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
	case word == wordCanceled:
		a.permit.drop()
	default:
		at := a.current
		a.permit.end(at.Status != 0 && at.Status < http.StatusInternalServerError && a.broke == nil)
	}
}

// transience is t, unless the breaker is open by now.
func (a *asking) transience(t transience) transience {
	if a.permit == nil || a.permit.host.state() == Open {
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
	a.trail.add(*a.current)
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
	n, err := b.ReadCloser.Read(p)
	b.attempt.BodySize += int64(n)
	if err != nil {
		b.asking.stop(b.attempt)
		if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			b.asking.broke = err
		}
	}
	return n, err
}

// redirect is the go command's policy: ten, and never from https to http.
func redirect(req *http.Request, via []*http.Request) error {
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirected from secure URL %s to insecure URL %s", bare(via[len(via)-1].URL), bare(req.URL))
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
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
