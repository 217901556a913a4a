// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/leak"
	"github.com/modtap/modtap/internal/session"
)

// recorder takes the facts of an exchange; [tap.Engine] is one.
type recorder interface {
	Begin(b *exchange.Begin, op goproxy.Operation)
	End(b *exchange.Begin, op goproxy.Operation, e *exchange.End)
	Now() exchange.Time
}

// backend answers requests. It fills what only it knows of the end: attempts,
// evidence, disposition and error word. It may panic with
// [http.ErrAbortHandler] to break the answer off, after it filled the end.
type backend interface {
	serve(w http.ResponseWriter, r *http.Request, x *transfer)
	close()
}

// transfer is one exchange on its way through.
type transfer struct {
	begin   exchange.Begin
	end     exchange.End
	request goproxy.Request
	// hop is the id of the span of the first attempt.
	hop exchange.SpanID
	// session is where the request's end has to be noted; nil: it has none.
	session *session.Open
}

// handler is that of a listener: it captures each exchange and leaves the
// answer to a backend.
type handler struct {
	side       exchange.Side
	recorder   recorder
	backend    backend
	identifier identifier
	sessions   *session.Table
	propagator propagator
	leaks      *leak.Detector
	via        string            // our token in Via
	inFlight   *session.InFlight // shared by both sides; nil without an egress

	handlers sync.WaitGroup // that are running
	cutOff   atomic.Bool    // by us, at a stop: who is gone now didn't leave
}

func (in *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in.handlers.Add(1)
	defer in.handlers.Done()
	x := &transfer{request: goproxy.Parse(r.URL.Path), hop: session.NewSpanID()}
	in.fill(x, r)
	in.recorder.Begin(&x.begin, x.request.Operation)
	if len(r.TransferEncoding) > 0 {
		// Where a length stood beside it, what follows the body may be smuggled
		// (RFC 9112, section 6.1).
		w.Header().Set("Connection", "close")
	}
	rec := &recordingWriter{ResponseWriter: w, now: in.recorder.Now, keep: keeps(x.request), head: r.Method == http.MethodHead}
	if in.inFlight != nil && in.side == exchange.Ingress {
		waiting := in.inFlight.Begin(x.begin.Span, x.begin.Session, x.request, x.hop)
		rec.answered = waiting.Answered
		defer waiting.Answered()
	}
	returned := false
	defer func() {
		if !returned && x.end.Disposition == exchange.Complete { // a panic that is no breaking off
			x.end.Disposition, x.end.Error = exchange.UpstreamBroke, "_OTHER"
		}
		x.end.Status, x.end.FirstByte, x.end.BodySize, x.end.Answer = rec.status, rec.firstByte, rec.size, rec.answer
		if x.end.Disposition == exchange.Complete && rec.err != nil {
			x.end.Disposition = exchange.ClientGone
		}
		if x.end.Disposition == exchange.ClientGone && in.cutOff.Load() {
			x.end.Disposition = exchange.Interrupted
		}
		in.noteLeak(x)
		if x.session != nil {
			x.session.Done(in.recorder.Now())
		}
		in.recorder.End(&x.begin, x.request.Operation, &x.end)
	}()
	if status, text := in.refusal(r); status != 0 {
		x.end.Disposition = exchange.Refused
		refuse(rec, status, text)
		returned = true
		return
	}
	in.backend.serve(rec, r, x)
	returned = true
	if x.end.Disposition == exchange.Complete {
		rec.finish()
	}
}

func (in *handler) fill(x *transfer, r *http.Request) {
	b := &x.begin
	b.Side = in.side
	b.Method = r.Method
	b.Path = r.URL.Path
	b.Scheme = "http"
	if r.TLS != nil {
		b.Scheme = "https"
	}
	b.ServerAddress, b.ServerPort = hostPort(r.Host, r.TLS)
	b.Protocol = protocol(r)
	var key session.Key
	b.Client, key = in.identifier.client(r)
	b.UserAgent = r.UserAgent()
	b.CI = job(r.Header)
	remote := in.propagator.extract(r.Context(), r.Header)
	if in.side == exchange.Ingress {
		if x.request.Operation == goproxy.Other && remote.IsZero() {
			b.Span = session.Continue(remote) // a probe, a browser: nothing that the go command asks
			return
		}
		b.Span, b.Session, x.session = in.sessions.Choose(in.recorder.Now(), key, remote)
		return
	}
	cause := in.inFlight.Cause(r.RemoteAddr, remote, x.request)
	b.Span, b.Session, b.Cause = session.Under(cause, remote)
	b.Candidates = cause.Candidates
}

// refusal returns the status and text for a request that is none of ours; 0 for
// one to answer. A module proxy is asked with GET and HEAD only, and Modtap is
// no open proxy.
func (in *handler) refusal(r *http.Request) (int, string) {
	switch {
	case r.Method == http.MethodConnect:
		return http.StatusMethodNotAllowed, "CONNECT is refused: this is a Go module proxy, set GOPROXY to its address instead of using it as an HTTP proxy"
	case r.URL.Host != "" || r.URL.Path == "*":
		return http.StatusBadRequest, "absolute-form request refused: this is a Go module proxy, set GOPROXY to its address instead of using it as an HTTP proxy"
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return http.StatusMethodNotAllowed, "method " + strconv.Quote(r.Method) + " is refused: a module proxy answers GET and HEAD"
	case strings.Contains(r.RequestURI, " "): // HTTP/2 allows it; in HTTP/1.1 it would end the target
		return http.StatusBadRequest, "space in the target refused: write %20"
	case in.loops(r.Header):
		return http.StatusLoopDetected, "loop detected: this request has already passed here (Via); the proxy behind Modtap sends its requests back to it, check its GOPROXY"
	}
	return 0, ""
}

func (in *handler) loops(h http.Header) bool {
	return slices.ContainsFunc(h["Via"], func(line string) bool { return strings.Contains(line, in.via) })
}

func refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusMethodNotAllowed {
		h.Set("Allow", "GET, HEAD")
	}
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// keeps reports whether the beginning of a 200's body is a fact to keep.
func keeps(r goproxy.Request) bool { return r.Operation == goproxy.Info }

func protocol(r *http.Request) string {
	if r.ProtoMajor >= 2 {
		return strconv.Itoa(r.ProtoMajor)
	}
	if r.ProtoMinor == 0 {
		return "1.0"
	}
	return "1.1"
}

// hostPort splits a Host header; without a port it is the scheme's own. What
// stands before an @ is no part of it, and may be a password.
func hostPort(host string, state *tls.ConnectionState) (string, uint16) {
	host = host[strings.LastIndexByte(host, '@')+1:]
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), "80"
		if state != nil {
			port = "443"
		}
	}
	n, _ := strconv.ParseUint(port, 10, 16) // no number: unknown
	return name, uint16(n)
}

// viaToken is what a listener calls itself in Via (RFC 9110, section 7.6.3).
func viaToken(side exchange.Side, instance string) string {
	return fmt.Sprintf("modtap-%s-%s", side, instance)
}
