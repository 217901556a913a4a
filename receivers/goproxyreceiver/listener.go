// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/accept"
	"github.com/modtap/modtap/internal/certificate"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

// listener is one place where requests arrive: the ingress or the egress.
type listener struct {
	side    exchange.Side
	cfg     *ListenerConfig
	net     net.Listener
	tls     *tls.Config // nil: clear text
	cert    *certificate.Certificate
	handler *handler
	note    string // on what answers, for people

	server  *http.Server
	conns   connections
	serving sync.WaitGroup
	drained context.CancelFunc // ends what serves beside the server
}

// listen opens the listener. What passes of its faults is reported to the parts' reporters.
func listen(ctx context.Context, side exchange.Side, cfg *ListenerConfig, log *zap.Logger, reporter func(part string) func(error)) (*listener, error) {
	l := &listener{side: side, cfg: cfg}
	if cfg.TLS.HasValue() {
		var err error
		if l.cert, l.tls, err = certificate.New(ctx, cfg.TLS.Get(), log.With(zap.Stringer("side", side)), reporter(side.String()+"::tls")); err != nil {
			return nil, fmt.Errorf("%s::tls: %w", side, err)
		}
		l.tls.NextProtos = []string{"h2", "http/1.1"} // a reloaded client CA has its own copy of them
	}
	var err error
	if l.net, err = accept.Listen(ctx, cfg.Endpoint, log.With(zap.Stringer("side", side)), reporter(side.String())); err != nil {
		variable := map[exchange.Side]string{exchange.Ingress: "MODTAP_LISTEN", exchange.Egress: "MODTAP_EGRESS_LISTEN"}[side]
		return nil, fmt.Errorf("%s::endpoint: %w; name a free address, or set %s", side, err, variable)
	}
	return l, nil
}

// serve accepts requests until drain.
func (l *listener) serve(host component.Host) {
	l.conns.open = make(map[net.Conn]*connection)
	l.server = &http.Server{
		Handler:           l.handler,
		ReadHeaderTimeout: l.cfg.ReadHeaderTimeout,
		IdleTimeout:       l.cfg.IdleTimeout,
		MaxHeaderBytes:    int(l.cfg.MaxHeaderBytes),
		TLSConfig:         l.tls,
		ErrorLog:          zap.NewStdLog(zap.NewNop()), // handshakes and hang-ups of clients are no faults of ours
		ConnContext:       l.connected,
		ConnState:         l.state,
		// Of HTTP/1.1 the answer's writer has the deadlines, which here are the stream's.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: l.cfg.WriteTimeout},

		DisableGeneralOptionsHandler: true,
	}
	var watching context.Context
	watching, l.drained = context.WithCancel(context.Background())
	if l.cert != nil {
		l.serving.Go(func() { l.cert.Watch(watching) })
	}
	l.serving.Go(func() {
		if err := l.accept(); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(fmt.Errorf("%s: %w", l.side, err)))
		}
	})
}

// state hears of each connection's.
func (l *listener) state(c net.Conn, state http.ConnState) {
	switch {
	case state == http.StateIdle:
		_ = c.SetWriteDeadline(time.Time{}) // the last answer's
	case state == http.StateClosed && l.side == exchange.Egress:
		l.handler.inFlight.Closed(c.RemoteAddr().String())
	}
	if evidence := l.conns.state(c, state); evidence != nil {
		l.handler.left(evidence)
	}
}

// connected hears of each connection that was accepted.
func (l *listener) connected(ctx context.Context, c net.Conn) context.Context {
	var evidence *session.Conn
	if l.side == exchange.Ingress {
		evidence = l.handler.connected(c.RemoteAddr())
	}
	return l.conns.begin(ctx, c, evidence)
}

func (l *listener) accept() error {
	if l.tls != nil {
		return l.server.ServeTLS(l.net, "", "")
	}
	return l.server.Serve(l.net)
}

// drain stops accepting and lets running downloads finish for at most
// shutdown_timeout. It returns false if some were cut off.
func (l *listener) drain(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, l.cfg.ShutdownTimeout)
	defer cancel()
	over := make(chan struct{})
	l.serving.Go(func() { l.conns.closeQuiet(over) })
	err := l.server.Shutdown(bounded)
	close(over)
	if err != nil {
		l.handler.cutOff.Store(true)
		_ = l.server.Close() // the handlers see their clients gone
	}
	l.drained()
	l.serving.Wait()
	l.handler.gate.Lock() // For good: when nobody has it, no handler runs and none will.
	l.handler.backend.close()
	return err == nil
}

// abandon undoes listen, and the making of a backend, before serve.
func (l *listener) abandon() {
	_ = l.net.Close() // nobody has connected
	if l.handler.backend != nil {
		l.handler.backend.close()
	}
}

func (l *listener) addr() net.Addr { return l.net.Addr() }

func (l *listener) what() string {
	if l.side == exchange.Egress {
		return "egress"
	}
	return "proxy"
}

func (l *listener) url() string {
	scheme := "http"
	if l.tls != nil {
		scheme = "https"
	}
	return scheme + "://" + l.addr().String()
}

// owns lists the addresses of all listeners.
func owns(listeners []*listener) []string {
	var out []string
	for _, l := range listeners {
		out = append(out, l.addr().String())
	}
	return out
}
