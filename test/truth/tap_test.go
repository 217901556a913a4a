// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// place is where a tap stands.
type place string

const (
	atClient   place = "client"   // between the clients and Modtap's ingress
	atProxy    place = "proxy"    // between Modtap's ingress and the proxy
	atEgress   place = "egress"   // between the proxy and Modtap's egress
	atOrigin   place = "origin"   // between Modtap's egress, or the embedded proxy, and the origin
	atMirror   place = "mirror"   // between the proxy and a mirror, past Modtap
	atDatabase place = "database" // between the proxy and the checksum database, past Modtap
)

// tokenHeader numbers requests for the log of a proxy that passes headers on. Modtap doesn't read it.
const tokenHeader = "X-Truth"

// visit is one request as a tap saw it.
type visit struct {
	place place
	phase string // of the script
	path  string // decoded
	token string
	// began is its arrival; answered the arrival of the answer's header, zero if there was none; ended when it was over.
	began, answered, ended time.Time
	status                 int // 0: no answer
	whole                  bool
	// before is the proxy's disk at the arrival, after at the answer.
	before, after look
}

// decided is when the proxy had decided what to answer, or when the request was over without an answer.
func (v *visit) decided() time.Time {
	if v.answered.IsZero() {
		return v.ended
	}
	return v.answered
}

// record is what all taps of one script saw.
type record struct {
	mu     sync.Mutex
	phase  string
	visits []*visit
	last   int // token
}

// enter begins a phase of the script.
func (r *record) enter(phase string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = phase
}

func (r *record) arrive(p place, req *http.Request, at look) *visit {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := &visit{
		place: p, phase: r.phase, path: req.URL.Path, token: req.Header.Get(tokenHeader), before: at, began: time.Now(),
	}
	if v.token == "" {
		r.last++
		v.token = strconv.Itoa(r.last)
	}
	r.visits = append(r.visits, v)
	return v
}

func (r *record) answer(v *visit, status int, after look) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.answered, v.status, v.after = time.Now(), status, after
}

func (r *record) end(v *visit, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.ended, v.whole = time.Now(), whole
}

// over reports whether no request is under way.
func (r *record) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.visits {
		if v.ended.IsZero() {
			return false
		}
	}
	return true
}

// tap passes requests on to one server and records them. Each connection that it accepts has one of its own to that server, so that both
// sides of it see the same connections.
type tap struct {
	url    string
	place  place
	target *url.URL
	record *record
	// look looks at the proxy's disk; nil: there is none to look at.
	look func(*http.Request) look
	// mark is called with what is sent on.
	mark func(*http.Request)
}

type transportKey struct{}

func (p *tap) start(tb testing.TB, target string) *tap {
	tb.Helper()
	var err error
	p.target, err = url.Parse(target)
	require.NoError(tb, err)
	server := httptest.NewUnstartedServer(p)
	var transports sync.Map
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		t := &http.Transport{DisableCompression: true}
		transports.Store(c, t)
		return context.WithValue(ctx, transportKey{}, t)
	}
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state != http.StateClosed && state != http.StateHijacked {
			return
		}
		if t, ok := transports.LoadAndDelete(c); ok {
			t.(*http.Transport).CloseIdleConnections()
		}
	}
	server.Start()
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	p.url = server.URL
	return p
}

func (p *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var before look
	if p.look != nil {
		before = p.look(r)
	}
	v := p.record.arrive(p.place, r, before)
	whole := false
	defer func() { p.record.end(v, whole) }()
	(&httputil.ReverseProxy{
		Transport:     r.Context().Value(transportKey{}).(http.RoundTripper),
		FlushInterval: -1,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = p.target.Scheme, p.target.Host, p.target.Host
			for name, values := range pr.In.Header {
				if strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" {
					pr.Out.Header[name] = values
				}
			}
			pr.Out.Header.Set(tokenHeader, v.token)
			if p.mark != nil {
				p.mark(pr.Out)
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			var after look
			if p.look != nil {
				after = p.look(r)
			}
			p.record.answer(v, resp.StatusCode, after)
			return nil
		},
		// What doesn't answer, doesn't answer through a tap either.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}).ServeHTTP(w, r)
	whole = true
}
