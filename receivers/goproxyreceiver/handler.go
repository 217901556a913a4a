// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/frontdoor"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/phase"
	"github.com/modtap/modtap/internal/printable"
	"github.com/modtap/modtap/internal/redact"
	"github.com/modtap/modtap/internal/session"
)

// recorder takes the facts of an exchange; [tap.Engine] is one.
type recorder interface {
	Begin(b *exchange.Begin)
	End(b *exchange.Begin, e *exchange.End)
	// Left tells that no connection of the session's own is open any more.
	Left(s exchange.Session)
	Now() exchange.Time
}

// backend answers requests.
type backend interface {
	// serve answers r, unless its result's disposition is that the answer couldn't be
	// ended: then who calls breaks it off.
	serve(w http.ResponseWriter, r *http.Request, x *transfer) result
	close()
}

// transfer is one exchange on its way through, as a backend is handed it.
type transfer struct {
	begin exchange.Begin
	// hop is the id of the span of the first attempt.
	hop    exchange.SpanID
	phases phase.Clock
	// waiting is the request among those in flight; nil: there is no egress.
	waiting *session.Waiting
}

// captured is an exchange with what only the handler knows of it.
type captured struct {
	transfer
	// session is where the request's end has to be noted.
	session session.Use
	writer  recordingWriter
	end     exchange.End
}

// handler is that of a listener: it captures each exchange and leaves the
// answer to a backend.
type handler struct {
	side       exchange.Side
	recorder   recorder
	door       frontdoor.Door
	backend    backend
	identifier identifier
	sessions   *session.Table
	propagator propagator
	via        string            // our token in Via
	inFlight   *session.InFlight // shared by both sides; nil without an egress
	patience   time.Duration     // with a client that takes nothing of its answer; zero: no end

	// gate is held for reading by each handler that runs, and for writing from the
	// end of a stop on: what a connection had still to ask is then broken off.
	gate   sync.RWMutex
	cutOff atomic.Bool // by us, at a stop: who is gone now didn't leave
}

func (in *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !in.gate.TryRLock() {
		panic(http.ErrAbortHandler)
	}
	defer in.gate.RUnlock()
	x := &captured{transfer: transfer{hop: session.NewSpanID()}}
	in.begin(x, w, r)
	res := broken // unless the backend returns
	defer func() { in.finish(x, &res) }()
	res = in.answer(x, r)
	if res.breaksOff() {
		breakOff(&x.writer, r)
	}
}

// begin records that r arrived, which w answers.
func (in *handler) begin(x *captured, w http.ResponseWriter, r *http.Request) {
	now := in.recorder.Now
	x.phases.Start(now)
	in.fill(x, r, answering(r.Context()))
	in.recorder.Begin(&x.begin)
	x.phases.Spent(exchange.PhaseJournal, x.begin.Time)
	x.writer = recordingWriter{
		ResponseWriter: w, now: now, phases: &x.phases, patience: in.patience,
		keep: keeps(x.begin.Request), head: r.Method == http.MethodHead, streams: r.ProtoMajor >= 2,
	}
	if in.inFlight != nil && in.side == exchange.Ingress {
		x.waiting = in.inFlight.Begin(x.begin.Span, x.begin.Session, x.begin.Request, x.hop)
		x.writer.answered = x.waiting.Answered
	}
}

// answer lets the backend answer r, if it is one to answer.
func (in *handler) answer(x *captured, r *http.Request) (res result) {
	if status, text := in.refusal(r); status != 0 {
		frontdoor.LeaveBody(&x.writer, r)
		refuse(&x.writer, status, text)
		res.disposition = exchange.Refused
	} else {
		res = in.backend.serve(&x.writer, r, &x.transfer)
	}
	if !res.breaksOff() {
		x.writer.finish()
	}
	return res
}

// finish records how it ended.
func (in *handler) finish(x *captured, res *result) {
	w := &x.writer
	x.end = exchange.End{
		Status: w.status, FirstByte: w.firstByte, BodySize: w.size, Answer: withoutSecrets(w.answer),
		Disposition: disposition(res, w, in.cutOff.Load()), Error: res.word,
		Cache: res.cache, Cause: res.cause, Attempts: res.attempts, Leak: leaked(res.attempts),
	}
	switch {
	case x.end.Disposition == exchange.UpstreamBroke, x.end.Disposition == exchange.Interrupted:
		x.session.Broke()
	case w.status >= http.StatusBadRequest:
		x.session.Failed()
	}
	x.session.Done(in.recorder.Now())
	x.end.Phases = x.phases.Parts()
	in.recorder.End(&x.begin, &x.end)
	if x.waiting != nil {
		x.waiting.Answered()
	}
}

// fill notes what is known of r when it arrives on the connection.
func (in *handler) fill(x *captured, r *http.Request, c *connection) {
	b := &x.begin
	b.Side = in.side
	b.Method = r.Method
	b.Path, b.Request = redact.Path(r.URL.Path), goproxy.Parse(r.URL.Path)
	b.Scheme = scheme(r)
	b.ServerAddress, b.ServerPort = hostPort(r.Host, r.TLS)
	b.Protocol = protocol(r)
	who, key, direct := in.identifier.client(r)
	b.Client, b.ClientKey = in.identifier.clients.Exported(&who), in.identifier.clients.Key(&who)
	if direct {
		b.Connection = c.number
		if ownConnection(r) {
			key.Conn, key.Streams = c.session, r.ProtoMajor >= 2
		}
	}
	b.UserAgent = redact.Text(r.UserAgent())
	b.CI = job(r.Header)
	remote := in.propagator.extract(r.Context(), r.Header)
	if in.side == exchange.Ingress {
		if b.Request.Operation == goproxy.Other && remote.IsZero() {
			b.Span = session.Continue(remote) // a probe, a browser: nothing that the go command asks
			return
		}
		key.Request, key.Job = b.Request, b.CI.Key()
		b.Span, b.Session, x.session = in.sessions.Choose(in.recorder.Now(), key, remote)
		return
	}
	cause := in.inFlight.Cause(r.RemoteAddr, remote, b.Request)
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
	case r.ContentLength != 0: // or a body of unknown length
		return http.StatusBadRequest, "body refused: a module proxy is asked without one"
	case strings.Contains(r.RequestURI, " "): // HTTP/2 allows it; in HTTP/1.1 it would end the target
		return http.StatusBadRequest, "space in the target refused: write %20"
	case in.loops(r.Header):
		return http.StatusLoopDetected, "loop detected: this request has already passed here (Via); the proxy behind Modtap sends its requests back to it, check its GOPROXY"
	}
	return in.door.Refusal(r)
}

func (in *handler) loops(h http.Header) bool {
	return slices.ContainsFunc(h["Via"], func(line string) bool { return strings.Contains(line, in.via) })
}

func refuse(w http.ResponseWriter, status int, text string) {
	text = printable.Text(redact.Text(text)) // It may quote an upstream, and is shown in a terminal.
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusMethodNotAllowed {
		h.Set("Allow", "GET, HEAD")
	}
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// withoutSecrets redacts the beginning of an answer that is kept as a fact: an error
// that quotes a URL, an .info whose origin is one.
func withoutSecrets(answer []byte) []byte {
	if bytes.IndexByte(answer, '@') < 0 {
		return answer
	}
	return []byte(redact.Text(string(answer)))
}

// keeps reports whether the beginning of a 200's body is a fact to keep.
func keeps(r goproxy.Request) bool { return r.Operation == goproxy.Info }

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

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
