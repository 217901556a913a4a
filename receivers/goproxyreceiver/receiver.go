// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/frontdoor"
	"github.com/modtap/modtap/internal/leak"
	"github.com/modtap/modtap/internal/modcache"
	"github.com/modtap/modtap/internal/netaddr"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/signal"
	"github.com/modtap/modtap/internal/tap/instance"
)

// goproxyReceiver owns the listeners and what answers behind them, which hand the facts
// to the instance.
type goproxyReceiver struct {
	cfg          *Config
	log          *zap.Logger
	announce     announcer
	openInstance instance.Open

	instance *instance.Instance
	// listeners are the ingress and, if configured, the egress.
	listeners []*listener
	// usage is what the embedded proxy's cache holds; nil: there is none.
	usage func() (modcache.Usage, bool)
	// leaks knows the private modules; nil: there are none.
	leaks *leak.Detector
	// upstreams are the hosts behind the listeners.
	upstreams upstreams
}

func newReceiver(set receiver.Settings, cfg *Config, open instance.Open, announce announcer) *goproxyReceiver {
	return &goproxyReceiver{cfg: cfg, log: set.Logger, announce: announce, openInstance: open}
}

// Start opens the listeners and begins to capture.
func (r *goproxyReceiver) Start(ctx context.Context, host component.Host) error {
	var err error
	r.instance, err = r.openInstance(instance.Settings{
		Join: cache.JoinSettings{
			Egress:         r.cfg.Egress.Endpoint != "",
			UnseenPatterns: r.cfg.UnseenPatterns,
			SharedStorage:  r.cfg.SharedStorage,
			Memory:         r.cfg.WiringMemory,
		},
		Readers: []signal.Reader{r.readCache, r.readUpstreams},
	})
	if err != nil {
		return err
	}
	if err := r.open(ctx); err != nil {
		for _, l := range r.listeners {
			l.abandon()
		}
		return err
	}
	r.instance.Start()
	for _, l := range r.listeners {
		l.serve(host) //nolint:contextcheck // it serves until drain, not until the start is over
		r.announce(l.what(), l.url(), l.note)
	}
	return nil
}

// open makes the listeners and what answers behind them; they don't accept yet.
func (r *goproxyReceiver) open(ctx context.Context) error {
	propagator, err := newPropagator(r.cfg.Propagators)
	if err != nil {
		return err
	}
	if r.leaks, err = r.cfg.openLeaks(ctx); err != nil {
		return err
	}
	trusted, err := prefixes(r.cfg.TrustedProxies)
	if err != nil {
		return err
	}
	var inFlight *session.InFlight
	if r.cfg.Egress.Endpoint != "" {
		inFlight = new(session.InFlight)
	}
	for _, side := range []exchange.Side{exchange.Ingress, exchange.Egress} {
		cfg := r.cfg.listener(side)
		if cfg.Endpoint == "" {
			continue
		}
		l, err := listen(ctx, side, cfg, r.log, r.instance.Reporter)
		if err != nil {
			return err
		}
		r.listeners = append(r.listeners, l)
		l.handler = &handler{
			side:     side,
			recorder: r.instance,
			door:     frontdoor.New(l.addr(), r.cfg.AllowedHosts),
			identifier: identifier{
				trusted: trusted, header: r.cfg.ClientHeader,
				users: r.cfg.ClientIdentity == instance.IdentityFull, clients: r.instance.Clients(netaddr.OnLoopback(l.addr())),
			},
			sessions:   r.instance.Sessions,
			propagator: propagator,
			via:        r.instance.Token(side),
			inFlight:   inFlight,
			patience:   cfg.WriteTimeout,
		}
	}
	for _, l := range r.listeners {
		if l.handler.backend, l.note, err = r.newBackend(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// Shutdown lets running downloads finish for at most shutdown_timeout.
func (r *goproxyReceiver) Shutdown(ctx context.Context) error {
	// The ingress first: its last downloads may still need the egress.
	for _, l := range r.listeners {
		if !l.drain(ctx) {
			r.log.Warn("downloads were cut off: they ran longer than shutdown_timeout",
				zap.Stringer("side", l.side), zap.Duration("shutdown_timeout", l.cfg.ShutdownTimeout))
		}
	}
	return nil
}
