// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/frontdoor"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/leak"
	"github.com/modtap/modtap/internal/modcache"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/signal"
	"github.com/modtap/modtap/internal/tap"
	"github.com/modtap/modtap/internal/tap/instance"
)

// goproxyReceiver owns the listener, what answers behind it, and the engine.
type goproxyReceiver struct {
	cfg       *Config
	settings  receiver.Settings
	log       *zap.Logger
	announce  func(what, where, note string)
	forget    func()
	consumers tap.Consumers

	signals int // components that the collector made of this receiver
	started int // of them

	stop   sync.Once
	state  state
	engine *tap.Engine
	// listeners are the ingress and, if configured, the egress.
	listeners []*listener
	// usage is what the embedded proxy's cache holds; nil: there is none.
	usage func() (modcache.Usage, bool)
	// leaks knows the private modules; nil: there are none.
	leaks *leak.Detector
	// upstreams are the hosts behind the listeners.
	upstreams upstreams
	standing  standing
}

var (
	_ receiver.Traces  = (*goproxyReceiver)(nil)
	_ receiver.Metrics = (*goproxyReceiver)(nil)
	_ receiver.Logs    = (*goproxyReceiver)(nil)
)

// Start opens the listener once the collector has started all signals of the
// component: only then every exporter behind it has been started.
func (r *goproxyReceiver) Start(ctx context.Context, host component.Host) error {
	if r.started++; r.started < r.signals {
		return nil
	}
	r.standing.host = host
	var err error
	if r.state, err = openState(r.cfg.DataDir, r.settings.ID); err != nil {
		return err
	}
	sessions := session.NewTable(r.cfg.Sessions.Settings(), r.state.key)
	if r.engine, err = r.newEngine(sessions); err == nil { //nolint:contextcheck // its own metrics belong to no call
		err = r.open(ctx, sessions)
	}
	if err != nil {
		r.abandon(ctx)
		return err
	}
	r.engine.Start() //nolint:contextcheck // its own metrics belong to no call
	for _, l := range r.listeners {
		l.serve(host) //nolint:contextcheck // it serves until drain, not until the start is over
		r.announce(l.what(), l.url(), l.note)
	}
	return nil
}

// abandon undoes a start that went wrong.
func (r *goproxyReceiver) abandon(ctx context.Context) {
	for _, l := range r.listeners {
		l.abandon()
	}
	if r.engine != nil {
		r.engine.Shutdown(ctx)
	}
	r.listeners, r.engine = nil, nil
}

func (r *goproxyReceiver) newEngine(sessions *session.Table) (*tap.Engine, error) {
	join := cache.JoinSettings{
		Egress:         r.cfg.Egress.Endpoint != "",
		UnseenPatterns: r.cfg.UnseenPatterns,
		SharedStorage:  r.cfg.SharedStorage,
		Mark:           viaToken(exchange.Egress, r.state.instance),
		Memory:         r.cfg.WiringMemory,
	}
	kept, err := journal.Open(filepath.Join(r.state.dir, "journal"), int64(r.cfg.Journal.MaxSize), r.log)
	if err != nil {
		return nil, dirError(r.cfg.DataDir, err)
	}
	engine, err := tap.New(tap.Settings{
		Resource:     signal.Resource{ServiceName: r.cfg.ServiceName, InstanceID: r.state.instance, Environment: r.cfg.Environment, Version: r.settings.BuildInfo.Version},
		Settle:       r.cfg.Settle,
		Hold:         r.cfg.Hold,
		Buckets:      r.cfg.Histograms,
		Journal:      kept,
		Dir:          r.state.dir,
		Table:        sessions,
		Report:       func(fault error) { r.standing.report("what is kept", fault) },
		Join:         join,
		Sessions:     r.cfg.Sessions.Settings(),
		HeavyHitters: signal.HeavyHitters(r.cfg.HeavyHitters),
		Readers:      []signal.Reader{r.readCache, r.readUpstreams},
		Consumers:    r.consumers,
		Receiver:     r.settings.ID,
		Telemetry:    r.settings.TelemetrySettings,
	})
	if err != nil {
		return nil, errors.Join(dirError(r.cfg.DataDir, err), kept.Close())
	}
	return engine, nil
}

// open makes the listeners and what answers behind them; they don't accept yet.
func (r *goproxyReceiver) open(ctx context.Context, sessions *session.Table) error {
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
		l, err := listen(ctx, side, cfg, r.log, &r.standing)
		if err != nil {
			return err
		}
		r.listeners = append(r.listeners, l)
		l.handler = &handler{
			side:     side,
			recorder: r.engine,
			door:     frontdoor.New(l.addr(), r.cfg.AllowedHosts),
			identifier: identifier{
				trusted: trusted, header: r.cfg.ClientHeader, identity: r.identity(l.addr()),
				users: r.cfg.ClientIdentity == instance.IdentityFull, key: r.state.key, judging: judgingKey(r.state.key),
			},
			sessions:   sessions,
			propagator: propagator,
			via:        viaToken(side, r.state.instance),
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

func (r *goproxyReceiver) identity(at net.Addr) instance.Identity {
	switch {
	case r.cfg.ClientIdentity != "":
		return r.cfg.ClientIdentity
	case isLoopback(at):
		return instance.IdentityFull
	}
	return instance.IdentityHash
}

// Shutdown lets running downloads finish for at most shutdown_timeout, and
// tells what has ended. It may be called several times, and without Start.
func (r *goproxyReceiver) Shutdown(ctx context.Context) error {
	r.stop.Do(func() {
		defer r.forget()
		// The ingress first: its last downloads may still need the egress.
		for _, l := range r.listeners {
			if !l.drain(ctx) {
				r.log.Warn("downloads were cut off: they ran longer than shutdown_timeout",
					zap.Stringer("side", l.side), zap.Duration("shutdown_timeout", l.cfg.ShutdownTimeout))
			}
		}
		if r.engine != nil {
			bounded, cancel := context.WithTimeout(ctx, emitTimeout)
			defer cancel()
			r.engine.Shutdown(bounded)
		}
	})
	return nil
}

// emitTimeout is how long a stop waits for exporters to accept what has ended. What
// they refuse until then isn't lost: the next run emits it.
const emitTimeout = 5 * time.Second
