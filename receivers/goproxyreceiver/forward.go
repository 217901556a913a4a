// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/modtap/modtap/internal/cacheheader"
	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/leak"
	"github.com/modtap/modtap/internal/outbound"
	"github.com/modtap/modtap/internal/session"
)

// forwarder passes requests on to the proxy beside us and streams its answers
// back. What it changes is the list in README.md and nothing else: hop-by-hop
// headers, trace headers, who asked and Via upstream; the answer stays as it is.
type forwarder struct {
	upstream   *url.URL
	base       string // its path, without a slash at the end
	absolute   bool   // an HTTP proxy stands before it
	address    string
	port       uint16
	transport  *outbound.Transport
	propagator propagator
	via        string
	identifier *identifier
	guard      leak.Guard
	idle       time.Duration // of a body; zero: no end
	now        func() exchange.Time
}

func newForwarder(upstream *url.URL, cfg ForwardConfig, tlsConfig *tls.Config) *forwarder {
	port, _ := strconv.ParseUint(upstream.Port(), 10, 16)
	if port == 0 {
		port = map[string]uint64{"http": 80, "https": 443}[upstream.Scheme]
	}
	transport := outbound.New(outbound.Settings{Dial: cfg.DialTimeout, Header: cfg.ResponseHeaderTimeout, TLS: tlsConfig})
	transport.DisableCompression = true
	transport.MaxIdleConnsPerHost = 256
	transport.WriteBufferSize, transport.ReadBufferSize = 4<<10, 16<<10
	return &forwarder{
		upstream:  upstream,
		base:      basePath(upstream),
		absolute:  viaProxy(upstream, http.ProxyFromEnvironment),
		address:   upstream.Hostname(),
		port:      uint16(port),
		transport: transport,
		idle:      cfg.IdleBodyTimeout,
	}
}

func (f *forwarder) close() { f.transport.CloseIdleConnections() }

func (f *forwarder) serve(w http.ResponseWriter, r *http.Request, x *transfer) (res result) {
	if f.leavesBase(r) {
		refuse(w, http.StatusBadRequest, "dot segment in the target refused: write the path that you mean, without .. and ., in whatever spelling")
		return result{disposition: exchange.Refused}
	}
	res.attempts = []exchange.Attempt{{
		Start: f.now(), Method: r.Method, URL: f.recorded(r), Address: f.address, Port: f.port,
		Span: x.begin.Span.Child(x.hop),
	}}
	at := &res.attempts[0]
	defer func() { at.Duration = f.now().Sub(at.Start) }()
	var err error
	if at.Leak, err = f.judge(r, x.begin.Request); err != nil {
		at.Error = exchange.ErrorLeakBlocked
		refuse(w, http.StatusNotFound, "not found: "+err.Error())
		return res
	}

	early := &earlyHints{w: w, none: !r.ProtoAtLeast(1, 1)}
	ctx, cancel := context.WithCancelCause(r.Context()) // who leaves, cancels
	defer cancel(nil)
	waits := x.phases.Enter(exchange.PhaseUpstream)
	answer, err := f.transport.Send(f.request(ctx, r, at, early))
	if outbound.Stale(err) && r.Context().Err() == nil {
		at = f.again(&res, x.waiting, err)
		out := f.request(ctx, r, at, early)
		out.Close = true
		answer, err = f.transport.Send(out)
	}
	waits.Leave()
	early.end()
	if err == nil {
		defer answer.Body.Close()
		if answer.StatusCode < http.StatusOK { // a switch that nobody asked for, or no status at all
			err = fmt.Errorf("malformed HTTP status code %d", answer.StatusCode)
		}
	}
	switch {
	case err == nil:
	case r.Context().Err() != nil:
		res.disposition = exchange.ClientGone
		return res
	default:
		at.Error = chain.Word(err)
		res.word = at.Error
		f.unanswered(w, res.word)
		return res
	}
	at.FirstByte = f.now().Sub(at.Start)
	at.Status = answer.StatusCode
	res.cache.Headers = evidence(answer.Header)

	trailers := putHeader(w.Header(), answer, r.ProtoMajor)
	w.WriteHeader(answer.StatusCode)
	body := movingBody{body: answer.Body, idle: f.idle, cancel: cancel}
	reads := x.phases.Enter(exchange.PhaseDownload)
	at.BodySize, err = stream(w, &body, answer.ContentLength)
	reads.Leave()
	if err != nil {
		res.disposition, res.word = body.fault(r.Context(), err)
		at.Error = res.word
		return res
	}
	trailers.put(w.Header(), answer)
	return res
}

// again ends the attempt that failed with err and begins the next, which is the last: it
// has a connection of its own.
func (f *forwarder) again(res *result, waiting *session.Waiting, err error) *exchange.Attempt {
	at := &res.attempts[0]
	next := *at
	next.Start, next.Resend, next.Span.SpanID = f.now(), at.Resend+1, session.NewSpanID()
	at.Duration, at.Error = next.Start.Sub(at.Start), chain.Word(err)
	res.attempts = append(res.attempts, next)
	if waiting != nil {
		waiting.Resent(next.Span.SpanID)
	}
	return &res.attempts[1]
}

// request returns the request to the upstream.
func (f *forwarder) request(ctx context.Context, r *http.Request, at *exchange.Attempt, early *earlyHints) *http.Request {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: early.pass})
	out := (&http.Request{
		Method: r.Method, URL: f.target(r), Host: f.upstream.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.Header.Clone(), // and no body: a request with one is refused
	}).WithContext(ctx)
	trailers := wantsTrailers(r.Header)
	removeHopByHop(out.Header)
	removeJob(out.Header)
	if trailers {
		out.Header.Set("Te", "trailers")
	}
	if _, sent := out.Header["User-Agent"]; !sent {
		out.Header["User-Agent"] = nil // no default either
	}
	if f.upstream.User != nil && out.Header.Get("Authorization") == "" {
		password, _ := f.upstream.User.Password()
		out.SetBasicAuth(f.upstream.User.Username(), password)
	}
	f.identifier.putForwarded(out.Header, r)
	out.Header.Add("Via", protocol(r)+" "+f.via)
	f.propagator.inject(ctx, out.Header, at.Span)
	return out
}

// unanswered answers for an upstream that didn't: 504 for a time-out, else 502,
// never 404, which would send the go command to the next proxy.
func (f *forwarder) unanswered(w http.ResponseWriter, word string) {
	status := http.StatusBadGateway
	if word == exchange.ErrorTimeout {
		status = http.StatusGatewayTimeout
	}
	refuse(w, status, "the proxy behind Modtap ("+f.upstream.Scheme+"://"+f.upstream.Host+") did not answer: "+word)
}

// errClient marks a write to the client that went wrong.
var errClient = errors.New("client gone")

var (
	smallBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
	largeBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}
)

// stream copies the body as it comes: until it is complete, the next read may take
// long, so nothing is left in a buffer meanwhile.
func stream(w http.ResponseWriter, body io.Reader, length int64) (size int64, err error) {
	pool := &smallBuffers
	if length > 32<<10 {
		pool = &largeBuffers
	}
	buf := pool.Get().(*[]byte)
	defer pool.Put(buf)
	flusher := w.(http.Flusher)
	if length < 0 {
		flusher.Flush()
	}
	for {
		n, err := body.Read(*buf)
		if n > 0 {
			size += int64(n)
			if _, werr := w.Write((*buf)[:n]); werr != nil {
				return size, errors.Join(errClient, werr)
			}
			if size < length || length < 0 {
				flusher.Flush()
			}
		}
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// cacheHeaders are the headers by which caches tell what they did, the strongest
// first: a record keeps only so many lines.
var cacheHeaders = cacheheader.Names()

func evidence(h http.Header) (found []exchange.Header) {
	for _, name := range cacheHeaders {
		for _, value := range h[name] {
			found = append(found, exchange.Header{Name: name, Value: value})
		}
	}
	return found
}
