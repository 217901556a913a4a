// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/redact"
)

// Error is the failure of the element that decides a walk. errors.Is with
// [fs.ErrNotExist] is true for those that let the go command ask the next proxy.
type Error struct {
	// Element is the deciding element, without userinfo and query.
	Element string
	// URL is what was asked there; empty for an element that isn't a proxy.
	URL string
	// Code is the element's own status code; zero: it gave none, or its answer
	// was 200 and broken.
	Code int
	// Detail is the beginning of the text that came with Code.
	Detail string
	// RetryAfter is the Retry-After that came with Code 429 (RFC 6585, section 4), if
	// it can be read; else empty.
	RetryAfter string
	// Word is the error.type word where Code is zero, one of those that package exchange
	// has, or what Err says of itself with a method ErrorType() string.
	Word string
	// Err is the cause where Code is zero.
	Err error
	// Confirmed is true where each element that was asked says itself that there is
	// nothing: no trouble on the way can have hidden what exists.
	Confirmed bool
}

// Error names the element and says what it said, as the go command does.
func (e *Error) Error() string {
	where := e.Element
	if e.URL != "" {
		where = "reading " + e.URL
	}
	if e.Code == 0 {
		return fmt.Sprintf("%s: %v", where, e.Err)
	}
	text := fmt.Sprintf("%s: %d %s", where, e.Code, http.StatusText(e.Code))
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(e, fs.ErrNotExist) true for what the go command takes for
// "not found".
func (e *Error) Is(target error) bool { return target == fs.ErrNotExist && e.notFound() }

func (e *Error) notFound() bool {
	return e.Code == http.StatusNotFound || e.Code == http.StatusGone || e.Word == exchange.ErrorNotFound || e.Word == exchange.ErrorLeakBlocked
}

// certain tells whether e is the element's own word that there is nothing: what
// version control can't reach, go reports as not found too.
func (e *Error) certain() bool {
	var own errNotFound
	return e.notFound() && (e.Code != 0 || errors.As(e.Err, &own))
}

// Denied reports whether the element's answer is that it won't give what was asked
// for, a failure of nobody: a 4xx other than 404 and 410, unless it is about
// something else than the request, such as a connection or an HTTP proxy between.
func (e *Error) Denied() bool {
	switch e.Code {
	case http.StatusNotFound, http.StatusGone, http.StatusProxyAuthRequired, http.StatusRequestTimeout,
		http.StatusMisdirectedRequest, http.StatusTooEarly, http.StatusUpgradeRequired:
		return false
	}
	return e.Code >= 400 && e.Code < 500
}

// Status is the status code with which a proxy answers: 404 and 410 are passed
// on, since they ask the client to try its next proxy, and so is what denies the
// request, at which the go command stops; a time-out is 504, all else 502, so that
// no failure is taken for an absence.
func (e *Error) Status() int {
	switch {
	case e.Code == http.StatusGone, e.Denied():
		return e.Code
	case e.notFound():
		return http.StatusNotFound
	case e.Code == http.StatusGatewayTimeout, e.Word == exchange.ErrorTimeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// reason is the attempt's Reason if the next element is asked because of e.
func (e *Error) reason() string {
	switch {
	case e.Code == http.StatusGone:
		return exchange.ReasonGone
	case e.notFound():
		return exchange.ErrorNotFound
	case e.Status() == http.StatusGatewayTimeout:
		return exchange.ErrorTimeout
	case e.Word == exchange.ErrorCircuitOpen:
		return exchange.ErrorCircuitOpen
	}
	return exchange.ReasonError
}

// stopError ends a walk.
type stopError struct{ err error }

func (s *stopError) Error() string { return s.err.Error() }
func (s *stopError) Unwrap() error { return s.err }

// Stop wraps an error of an accept function that is no fault of the element, such
// as a full disk or a client that left: no other element is asked, and Do
// returns err as it is.
func Stop(err error) error { return &stopError{err} }

func stopped(s *stopError) error {
	if s == nil {
		return nil
	}
	return s.err
}

// errNotFound is a not-found that no HTTP answer tells.
type errNotFound string

func (e errNotFound) Error() string        { return string(e) }
func (e errNotFound) ErrorType() string    { return exchange.ErrorNotFound }
func (e errNotFound) Is(target error) bool { return target == fs.ErrNotExist }

// errIdle ends a body that stands still.
var errIdle = fmt.Errorf("no byte of the body came in time: %w", os.ErrDeadlineExceeded)

// Word returns the error.type word of err (semconv: low cardinality).
func Word(err error) string {
	var (
		typed     interface{ ErrorType() string }
		timeout   interface{ Timeout() bool }
		dns       *net.DNSError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		authority x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &typed):
		return typed.ErrorType()
	case errors.Is(err, context.Canceled):
		return exchange.ErrorCanceled
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return exchange.ErrorTimeout
	case errors.As(err, &dns):
		return exchange.ErrorDNS
	case errors.As(err, &verify), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &authority),
		errors.Is(err, http.ErrSchemeMismatch):
		return exchange.ErrorTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return exchange.ErrorRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return exchange.ErrorReset
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return exchange.ErrorUnreachable
	case strings.Contains(err.Error(), "malformed "): // HTTP version, status code, MIME header, ...
		return exchange.ErrorBadResponse
	}
	return exchange.ErrorOther
}

// cause strips what net/http puts around an error, and the secrets in it: it quotes
// URLs, a Location that can't be read among them. A canceled context says why.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return redact.Error(err)
}

const (
	maxDetail = 1024
	maxDrain  = 64 << 10 // What is read of an error's body to keep the connection.
)

// detail returns the beginning of a text body, by the rules of formatErrorDetail
// in cmd/go/internal/web: UTF-8, nothing that plays with a terminal, up to the
// first blank line.
func detail(r *http.Response) string {
	head, err := io.ReadAll(io.LimitReader(r.Body, maxDetail))
	if err == nil {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
	}
	if !isPlainText(r.Header.Get("Content-Type")) {
		return ""
	}
	for len(head) > 0 && len(head) >= maxDetail-utf8.UTFMax && !utf8.Valid(head) {
		head = head[:len(head)-1] // A character cut by the limit.
	}
	text := string(head)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) && !unicode.IsSpace(r) }) {
		return ""
	}
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRightFunc(line, unicode.IsSpace)
		if line == "" {
			break
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
