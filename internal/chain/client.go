// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/outbound"
	"github.com/modtap/modtap/internal/phase"
	"github.com/modtap/modtap/internal/redact"
)

// The time-outs of [Timeouts] where none is set.
const (
	DefaultDialTimeout   = 10 * time.Second
	DefaultHeaderTimeout = 60 * time.Second
	DefaultIdleTimeout   = 60 * time.Second
)

// Timeouts bound the parts of an attempt that can stand still. None bounds the
// whole: a long zip takes as long as it takes. Zero means the default.
type Timeouts struct {
	Dial   time.Duration // To connect; once more for the TLS handshake.
	Header time.Duration // From the request to the answer's header.
	Idle   time.Duration // For the next bytes of a body.
}

// Settings are what a [Client] is made from.
type Settings struct {
	// List is walked from its beginning for every request. It must not be empty.
	List List
	// NoProxy is GONOPROXY: modules that match are fetched from version control
	// and no proxy hears of them.
	NoProxy string
	// Direct fetches from version control. Nil: "direct" is not found.
	Direct Direct
	// SumDBs are the checksum databases that may be asked without a proxy, by
	// name; others only where a proxy passes them on.
	SumDBs map[string]SumDB
	// Transport sends the requests; nil: one of the client's own. Dial and
	// header time-outs, TLS and HTTP proxies are the transport's.
	Transport http.RoundTripper
	Timeouts  Timeouts
	TLS       TLS
	Retry     Retry
	Breaker   Breaker
	// Guard judges each request to an upstream before it is sent; nil: all are sent.
	Guard Guard
	// Netrc is the file that has the credentials for upstreams; see netrc.File.
	// Empty: none.
	Netrc string
	// Warn hears of files that can't be read while requests are served; nil: nobody
	// does.
	Warn func(message string, err error)
}

// Guard judges a request that is about to be sent to u: r is what it asks for, zero
// where an upstream has redirected it. leak is what [exchange.Attempt.Leak] says of
// it. With an error nothing is sent and no other element is asked; the error's
// ErrorType should be [exchange.ErrorLeakBlocked]: the answer is then 404.
type Guard func(u *url.URL, r goproxy.Request) (leak string, err error)

// Client walks a GOPROXY list. It is safe for concurrent use.
type Client struct {
	list      List
	noProxy   string
	direct    Direct
	sumdbs    map[string]SumDB
	transport http.RoundTripper
	idle      time.Duration
	retry     Retry
	hosts     *hosts
	netrc     *netrcFile
	guard     Guard

	mu    sync.Mutex
	bases map[string]*base // Where each checksum database is reached.
}

// New returns a client.
func New(s Settings) (*Client, error) {
	if len(s.List) == 0 {
		return nil, errors.New("GOPROXY list: no elements")
	}
	c := &Client{
		list:      s.List,
		noProxy:   s.NoProxy,
		direct:    s.Direct,
		sumdbs:    s.SumDBs,
		transport: s.Transport,
		idle:      orDefault(s.Timeouts.Idle, DefaultIdleTimeout),
		retry:     s.Retry,
		hosts:     newHosts(s.Breaker),
		netrc:     &netrcFile{path: s.Netrc},
		guard:     s.Guard,
		bases:     make(map[string]*base),
	}
	if c.guard == nil {
		c.guard = func(*url.URL, goproxy.Request) (string, error) { return "", nil }
	}
	if s.Warn == nil {
		s.Warn = func(string, error) {}
	}
	if c.transport == nil {
		t, err := openTransport(s)
		if err != nil {
			return nil, err
		}
		c.transport = t
	}
	if _, err := c.netrc.load(); err != nil {
		s.Warn("the netrc file is not used", err)
	}
	if c.direct == nil {
		c.direct = noDirect{}
	}
	return c, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// Close closes idle connections.
func (c *Client) Close() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Hosts returns what is known of the hosts that were asked, sorted.
func (c *Client) Hosts() []Host { return c.hosts.all() }

// Request is what is asked of each element. The URL is made of what the protocol
// can say and of nothing else, so no client can have another path of an upstream
// asked, or one outside of its base.
type Request struct {
	// Request is what [goproxy.Parse] read; its prefix is the client's way to us and
	// isn't sent. One that isn't the protocol is not found, and nothing is asked.
	goproxy.Request
	// Method is GET if empty.
	Method string
	// Header is sent along. With Range or If-* lines in it the answers 206, 304,
	// 412 and 416 are accepted beside 200.
	Header http.Header
	// Ledger keeps each attempt. Nil: nobody does.
	Ledger *Ledger
}

// Answer is an element's answer.
type Answer struct {
	// Response has the status, header and body. Its Request is nil for an answer
	// from version control.
	*http.Response
	// Siblings are the other files of the version, by their paths, which a fetch
	// from version control brings along. They are closed after the accept.
	Siblings map[string]io.ReadSeekCloser
}

// Do walks the list until an element's answer is accepted. accept consumes the
// body; its error counts as the element's, as a broken body or an .info that
// isn't one do in the go command, unless it is wrapped by [Stop]. Other errors
// are an [*Error] for the deciding element. A
// checksum database is asked by [Client.SumDB].
func (c *Client) Do(ctx context.Context, r Request, accept func(*Answer) error) error {
	if r.Module == "" || r.Operation == goproxy.SumDB || strings.Contains(r.Version, "%") && goproxy.Fold(r.Version).Dots {
		return notTheProtocol()
	}
	r.Prefix = ""
	if module.MatchPrefixPatterns(c.noProxy, r.Module) {
		s := c.askDirect(ctx, r, accept)
		s.end("")
		return s.err()
	}
	return c.walk(ctx, func(e Element) step {
		switch e.Kind {
		case Off:
			return step{failed: lookupOff()}
		case Source:
			return c.askDirect(ctx, r, accept)
		}
		return c.ask(ctx, e, join(e.URL, r.File()), r, accept)
	})
}

func notTheProtocol() *Error {
	return &Error{Element: "not found", Word: exchange.ErrorNotFound, Err: errNotFound("not a path of the GOPROXY protocol")}
}

func lookupOff() *Error {
	return &Error{Element: "off", Word: exchange.ErrorNotFound, Err: errNotFound("module lookup disabled by GOPROXY=off")}
}

// step is what came of asking one element: its failure, or an error that ends
// the walk, or neither.
type step struct {
	failed *Error
	stop   error
	// record keeps the attempt, with the reason for which the next element is
	// asked. Nil: no request was made.
	record func(reason string)
	// transience tells whether the same element may be asked again.
	transience transience
}

func (s step) end(reason string) {
	if s.record != nil {
		s.record(reason)
	}
}

func (s step) err() error {
	if s.failed != nil {
		return s.failed
	}
	return s.stop
}

// The ranks of TryProxies in cmd/go/internal/modfetch: of several errors that of
// version control is the most telling, then that of a proxy that failed.
const (
	rankNotExist = iota
	rankProxy
	rankDirect
)

// walk asks the elements in turn.
func (c *Client) walk(ctx context.Context, ask func(Element) step) error {
	var best *Error
	rank, confirmed := rankNotExist, true
	for i, e := range c.list {
		s := ask(e)
		if s.failed == nil {
			s.end("")
			return s.stop
		}
		notFound := s.failed.notFound()
		confirmed = confirmed && s.failed.certain()
		switch {
		case e.Kind == Source:
			best, rank = s.failed, rankDirect
		case rank <= rankProxy && !notFound:
			best, rank = s.failed, rankProxy
		case rank == rankNotExist:
			best = s.failed
		}
		if i == len(c.list)-1 || !notFound && !e.OnError || ctx.Err() != nil || s.failed.Word == exchange.ErrorLeakBlocked {
			s.end("")
			break
		}
		s.end(s.failed.reason())
	}
	best.Confirmed = confirmed
	return best
}

// ask asks the URL u of an element, again and again while [Retry] allows it.
func (c *Client) ask(ctx context.Context, e Element, u *url.URL, r Request, accept func(*Answer) error) step {
	retries := c.retry.begin(r.Method)
	for {
		s := c.send(ctx, e, u, r, retries, accept)
		again, err := retries.next(ctx, s.transience)
		if err != nil {
			s.end("")
			return step{failed: &Error{Element: e.String(), URL: redact.URL(u), Word: Word(err), Err: err}}
		}
		if !again {
			return s
		}
		s.end("")
	}
}

// send sends one request to u and follows its redirects.
func (c *Client) send(ctx context.Context, e Element, u *url.URL, r Request, retries *retries, accept func(*Answer) error) step {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clock := phase.FromContext(ctx)
	waits := clock.Enter(exchange.PhaseUpstream)
	req, err := newRequest(ctx, u, r)
	if err != nil {
		waits.Leave()
		return step{stop: err}
	}
	c.netrc.authorize(req)
	a := &asking{
		base: c.transport, origin: e.URL, subject: cmp.Or(r.Module, u.Path), guard: c.guard, asks: r.Request, hosts: c.hosts,
		ledger: r.Ledger, clock: clock, idle: c.idle, cancel: cancel, retries: retries,
	}
	if e.Kind == Folder {
		a.base = folder{e.URL.Path}
	}
	failed := &Error{Element: e.String(), URL: redact.URL(u)}

	client := outbound.Client(a)
	client.CheckRedirect = redirect
	resp, err := client.Do(req)
	waits.Leave()
	if err != nil {
		failed.Err = a.plain(cause(ctx, err))
		failed.Word = Word(failed.Err)
		s := a.ends(failed.Word)
		s.failed, s.transience = failed, a.transience(ofError(failed.Err))
		return s
	}
	defer resp.Body.Close()
	coding := decode(resp, r.Header)
	if !acceptable(resp.StatusCode, r.Header) {
		failed.Code, failed.Detail = resp.StatusCode, detail(resp)
		if after := resp.Header.Get("Retry-After"); failed.Code == http.StatusTooManyRequests && readable(after) {
			failed.RetryAfter = after
		}
		s := a.ends("")
		s.failed, s.transience = failed, a.transience(ofStatus(resp.StatusCode, resp.Header))
		return s
	}

	if err = coding; err == nil {
		err = accept(&Answer{Response: resp})
	}
	word := ""
	switch {
	case err == nil:
	case a.broke != nil:
		err = cause(ctx, a.broke)
		word = Word(err)
	default:
		word = refusal(err)
	}
	s := a.ends(word)
	var stop *stopError
	if err == nil || errors.As(err, &stop) {
		s.stop = stopped(stop)
		return s
	}
	failed.Word, failed.Err = word, err
	s.failed = failed
	return s
}

// refusal is the word for a whole answer that the accept function didn't take.
func refusal(err error) string {
	switch word := Word(err); word {
	case exchange.ErrorOther, exchange.ErrorReset:
		return exchange.ErrorBadResponse
	default:
		return word
	}
}
