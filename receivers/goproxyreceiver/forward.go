// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
)

// forwarder passes requests on to the proxy beside us and streams its answers
// back. What it changes is design.md's list and nothing else: hop-by-hop
// headers, trace headers and Via upstream; the answer stays as it is.
type forwarder struct {
	upstream   *url.URL
	address    string
	port       uint16
	transport  *http.Transport
	propagator propagator
	via        string
	guard      func(*url.URL) error
	now        func() exchange.Time
}

func newForwarder(upstream *url.URL, cfg ForwardConfig, tlsConfig *tls.Config) *forwarder {
	port, _ := strconv.ParseUint(upstream.Port(), 10, 16)
	if port == 0 {
		port = map[string]uint64{"http": 80, "https": 443}[upstream.Scheme]
	}
	return &forwarder{
		upstream: upstream,
		address:  upstream.Hostname(),
		guard:    func(*url.URL) error { return nil },
		port:     uint16(port),
		transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: cfg.DialTimeout}).DialContext,
			TLSClientConfig:       tlsConfig,
			TLSHandshakeTimeout:   cfg.DialTimeout,
			ResponseHeaderTimeout: cfg.ResponseHeaderTimeout,
			Proxy:                 http.ProxyFromEnvironment,
			ForceAttemptHTTP2:     true,
			DisableCompression:    true,
			MaxIdleConnsPerHost:   256,
			IdleConnTimeout:       90 * time.Second,
			WriteBufferSize:       4 << 10,
			ReadBufferSize:        16 << 10,
		},
	}
}

func (f *forwarder) close() { f.transport.CloseIdleConnections() }

func (f *forwarder) serve(w http.ResponseWriter, r *http.Request, x *transfer) {
	x.end.Attempts = []exchange.Attempt{{
		Start: f.now(), Method: r.Method, URL: f.recorded(r.URL), Address: f.address, Port: f.port,
		Span: exchange.Span{SpanID: x.hop},
	}}
	at := &x.end.Attempts[0]
	defer func() { at.Duration = f.now().Sub(at.Start) }()
	if err := f.guard(f.target(r)); err != nil {
		f.blocked(w, x, err)
		return
	}

	early := &earlyHints{w: w}
	answer, err := f.transport.RoundTrip(f.request(r, x, at, early))
	early.end()
	if err != nil {
		f.unanswered(w, r, x, err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode < http.StatusOK { // a switch that nobody asked for, or no status at all
		f.unanswered(w, r, x, fmt.Errorf("malformed HTTP status code %d", answer.StatusCode))
		return
	}
	at.FirstByte = f.now().Sub(at.Start)
	at.Status = answer.StatusCode
	x.end.Cache.Headers = evidence(answer.Header)

	announced := len(answer.Trailer)
	putHeader(w.Header(), answer, r.ProtoMajor)
	w.WriteHeader(answer.StatusCode)
	at.BodySize, err = stream(w, answer)
	if err != nil {
		if r.Context().Err() != nil || errors.Is(err, errClient) {
			x.end.Disposition = exchange.ClientGone
		} else {
			at.Error = chain.Word(err)
			x.end.Disposition, x.end.Error = exchange.UpstreamBroke, at.Error
		}
		breakOff(w, r)
	}
	prefix := "" // trailers that weren't announced need one
	if len(answer.Trailer) != announced {
		prefix = http.TrailerPrefix
	}
	for name, values := range answer.Trailer {
		if len(values) > 0 { // one that was announced and didn't come would keep HTTP/2 waiting
			w.Header()[prefix+name] = values
		}
	}
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

// earlyHints passes informational answers (1xx) on until the final one.
type earlyHints struct {
	w http.ResponseWriter

	mu   sync.Mutex // the transport calls pass from a goroutine of its own
	over bool
}

func (e *earlyHints) pass(code int, header textproto.MIMEHeader) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over || code == http.StatusContinue { // that one the server sends itself, when the body is read
		return nil
	}
	h := e.w.Header()
	maps.Copy(h, http.Header(header))
	e.w.WriteHeader(code)
	for name := range header {
		delete(h, name)
	}
	return nil
}

func (e *earlyHints) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
}

// request returns the request to the upstream. Its context is the client's: who
// leaves, cancels.
func (f *forwarder) request(r *http.Request, x *transfer, at *exchange.Attempt, early *earlyHints) *http.Request {
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: early.pass})
	out := (&http.Request{
		Method: r.Method, URL: f.target(r), Host: f.upstream.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.Header.Clone(), ContentLength: r.ContentLength,
	}).WithContext(ctx)
	if r.ContentLength != 0 {
		out.Body = r.Body
	}
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
	out.Header.Add("Via", protocol(r)+" "+f.via)
	span := x.begin.Span
	span.SpanID = at.Span.SpanID
	f.propagator.inject(ctx, out.Header, span)
	return out
}

// target is the upstream's URL for a request's. The path stays as it was written,
// even if net/url would write it differently.
func (f *forwarder) target(r *http.Request) *url.URL {
	t := *r.URL
	t.Scheme, t.Host, t.User = f.upstream.Scheme, f.upstream.Host, nil
	base := strings.TrimSuffix(f.upstream.EscapedPath(), "/")
	if base != "" {
		t.RawPath = base + r.URL.EscapedPath()
		t.Path = strings.TrimSuffix(f.upstream.Path, "/") + r.URL.Path
	}
	written, _, _ := strings.Cut(r.RequestURI, "?")
	if opaque := base + written; written != r.URL.EscapedPath() && !strings.HasPrefix(opaque, "//") {
		t.Opaque = opaque
	}
	return &t
}

// recorded is the URL as it may be told: without userinfo and query.
func (f *forwarder) recorded(u *url.URL) string {
	return f.upstream.Scheme + "://" + f.upstream.Host + strings.TrimSuffix(f.upstream.EscapedPath(), "/") + u.EscapedPath()
}

// unanswered answers for an upstream that didn't: 504 for a time-out, else 502,
// never 404, which would send the go command to the next proxy.
func (f *forwarder) unanswered(w http.ResponseWriter, r *http.Request, x *transfer, err error) {
	if r.Context().Err() != nil {
		x.end.Disposition = exchange.ClientGone
		panic(http.ErrAbortHandler)
	}
	word := chain.Word(err)
	x.end.Attempts[0].Error, x.end.Error = word, word
	status := http.StatusBadGateway
	if word == cache.ErrorTimeout {
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
func stream(w http.ResponseWriter, answer *http.Response) (size int64, err error) {
	pool := &smallBuffers
	if answer.ContentLength > 32<<10 {
		pool = &largeBuffers
	}
	buf := pool.Get().(*[]byte)
	defer pool.Put(buf)
	flusher := w.(http.Flusher)
	if answer.ContentLength < 0 {
		flusher.Flush()
	}
	for {
		n, err := answer.Body.Read(*buf)
		if n > 0 {
			size += int64(n)
			if _, werr := w.Write((*buf)[:n]); werr != nil {
				return size, errors.Join(errClient, werr)
			}
			if size < answer.ContentLength || answer.ContentLength < 0 {
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

// putHeader gives the client the answer's header as it is, and keeps the server
// from adding its own.
func putHeader(h http.Header, answer *http.Response, protoMajor int) {
	removeHopByHop(answer.Header)
	maps.Copy(h, answer.Header)
	for _, name := range []string{"Date", "Content-Type"} {
		if _, sent := h[name]; !sent {
			h[name] = nil
		}
	}
	for name := range answer.Trailer {
		h.Add("Trailer", name)
	}
	if answer.StatusCode == http.StatusNotModified {
		keepNotModified(h, protoMajor)
	}
}

// keepNotModified saves what the server would take from a 304: it knows the names
// in canonical form only. In HTTP/2 Go's own client takes the length for that of a
// body which never comes, so there it is left out.
func keepNotModified(h http.Header, protoMajor int) {
	if protoMajor == 1 {
		h["content-type"], h["content-length"] = h["Content-Type"], h["Content-Length"]
		delete(h, "Content-Type")
	}
	delete(h, "Content-Length")
}

// hopByHop are the headers of one connection (RFC 9110, section 7.6.1).
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func removeHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

func wantsTrailers(h http.Header) bool {
	for _, line := range h["Te"] {
		if strings.Contains(strings.ToLower(line), "trailers") {
			return true
		}
	}
	return false
}

// cacheHeaders are the headers by which caches tell what they did, the strongest
// first: a record keeps only so many lines.
var cacheHeaders = cache.HeaderNames()

func evidence(h http.Header) (found []exchange.Header) {
	for _, name := range cacheHeaders {
		for _, value := range h[name] {
			found = append(found, exchange.Header{Name: name, Value: value})
		}
	}
	return found
}
