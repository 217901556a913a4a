// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/netaddr"
	"github.com/modtap/modtap/internal/redact"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/receivers/goproxyreceiver/internal/embedded"
)

// newBackend returns what answers, and a remark on it for people.
func (r *goproxyReceiver) newBackend(ctx context.Context, l *listener) (backend, string, error) {
	p, via := l.handler.propagator, l.handler.via
	switch {
	case l.side == exchange.Egress:
		return r.newChained(ctx, l)
	case r.cfg.Upstream == Embedded:
		return r.newEmbedded(ctx, l)
	}
	upstream, err := r.cfg.beside(owns(r.listeners))
	if err != nil {
		return nil, "", fmt.Errorf("upstream: %w", err)
	}
	tlsConfig, err := r.cfg.Forward.TLS.LoadTLSConfig(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("forward::tls: %w", err)
	}
	f := newForwarder(upstream, r.cfg.Forward, tlsConfig)
	f.propagator, f.via, f.identifier, f.now, f.guard = p, via, &l.handler.identifier, r.instance.Now, r.guard()
	r.upstreams.watch(upstream.Hostname(), tlsConfig)
	return f, "in front of " + redact.URL(upstream), nil
}

// embeddedBackend answers from the embedded caching proxy.
type embeddedBackend struct {
	proxy      *embedded.Proxy
	propagator propagator
	via        string
}

// localOnly reports whether nobody on another machine can ask. A name that came in by
// one listener goes out by another: through the proxy beside us a remote client names
// hosts at a loopback egress too, so the most exposed listener counts.
func (r *goproxyReceiver) localOnly() bool {
	return !slices.ContainsFunc(r.listeners, func(l *listener) bool { return !netaddr.OnLoopback(l.addr()) })
}

// beside returns the URL of the proxy beside us, which isn't at one of our own addresses.
func (c *Config) beside(own []string) (*url.URL, error) {
	upstream, err := upstreamURL(c.Upstream)
	if err != nil {
		return nil, err
	}
	if list, err := chain.Parse(upstream.String()); err == nil {
		if _, left := list.Without(own); len(left) > 0 {
			return nil, fmt.Errorf("%s is Modtap's own address; name the proxy beside it, or leave MODTAP_UPSTREAM unset for the embedded one", redact.URL(upstream))
		}
	}
	return upstream, nil
}

// leadBack returns where a GOPROXY list must not lead: to our own listeners, and, where
// it is the user's own for go commands, to the proxy beside us, which asks the egress.
func (c *Config) leadBack(own []string) []string {
	if c.Upstream != Embedded && c.GOPROXY == "" {
		if upstream, err := upstreamURL(c.Upstream); err == nil {
			own = append(own, chain.Place(upstream))
		}
	}
	return own
}

// mayGoRound warns where the list that was written for the egress names the proxy beside
// us: unless that proxy asks somebody else for what it is asked by us, there is no end.
func (r *goproxyReceiver) mayGoRound(list chain.List) {
	upstream, err := upstreamURL(r.cfg.Upstream)
	if r.cfg.Upstream == Embedded || err != nil {
		return
	}
	if _, left := list.Without([]string{chain.Place(upstream)}); len(left) > 0 {
		r.log.Warn("the egress asks the proxy beside Modtap, which asks the egress: a request may go round without an end; name in goproxy (MODTAP_EGRESS_UPSTREAM) where modules come from",
			zap.Strings("elements", left))
	}
}

// chainSettings are those of the GOPROXY list.
func (r *goproxyReceiver) chainSettings() embedded.Settings {
	direct := r.cfg.DirectPatterns
	if r.localOnly() {
		direct = "*"
	}
	s := embedded.Settings{
		Dir: filepath.Join(r.instance.Dir, "cache"), GOPROXY: r.cfg.GOPROXY, OwnAddresses: r.cfg.leadBack(owns(r.listeners)),
		DirectPatterns: direct, Guard: guardChain(r.guard()), MaxSize: int64(r.cfg.Cache.MaxSize), Logger: r.log,
	}
	r.cfg.Chain.put(&s)
	return s
}

func (r *goproxyReceiver) newEmbedded(ctx context.Context, l *listener) (backend, string, error) {
	settings := r.chainSettings()
	settings.ListTTL = r.cfg.Cache.ListTTL
	proxy, err := embedded.New(ctx, settings)
	if err != nil {
		return nil, "", err
	}
	r.usage = proxy.Usage
	r.upstreams.chains = append(r.upstreams.chains, proxy.Hosts)
	b := &embeddedBackend{proxy: proxy, propagator: l.handler.propagator, via: l.handler.via}
	return b, "embedded, caching in " + settings.Dir + ", asking " + proxy.Upstream.List.String() + leftOut(proxy.Upstream), nil
}

// leftOut says what of the list is Modtap itself.
func leftOut(u chain.Upstream) string {
	if len(u.LeftOut) == 0 {
		return ""
	}
	note := "; left out of its GOPROXY list because it leads back to Modtap: " + strings.Join(u.LeftOut, ", ")
	if u.Builtin {
		note += "; using go's own default " + u.List.String()
	}
	return note
}

// injector gives each attempt for x a client span, and the headers that carry it.
func injector(ctx context.Context, x *transfer, p propagator, via string) func(http.Header) exchange.Span {
	return func(h http.Header) exchange.Span {
		span := x.begin.Span.Child(session.NewSpanID())
		p.inject(ctx, h, span)
		h.Add("Via", x.begin.Protocol+" "+via)
		return span
	}
}

func (b *embeddedBackend) close() { b.proxy.Close() }

func (b *embeddedBackend) serve(w http.ResponseWriter, r *http.Request, x *transfer) result {
	a := b.proxy.Serve(w, r, embedded.Caller{
		Request: x.begin.Request, Span: x.begin.Span, Phases: &x.phases,
		Inject: injector(r.Context(), x, b.propagator, b.via),
	})
	if a.Result == "" { // no file of the protocol: nothing to look up
		a.Result = exchange.Bypass
	}
	res := result{
		attempts: a.Attempts, cause: a.Cause, word: a.Error,
		cache: exchange.CacheEvidence{Embedded: a.Result, MissReason: a.MissReason},
	}
	if a.Error == exchange.ErrorCanceled && errors.Is(r.Context().Err(), context.Canceled) {
		res.disposition = exchange.ClientGone
	}
	return res
}
