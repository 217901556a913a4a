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

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/exchange"
)

// listener is one place where requests arrive: the ingress or the egress.
type listener struct {
	side    exchange.Side
	cfg     *ListenerConfig
	net     net.Listener
	tls     *tls.Config // nil: clear text
	handler *handler
	note    string // on what answers, for people

	server  *http.Server
	serving sync.WaitGroup
}

func listen(ctx context.Context, side exchange.Side, cfg *ListenerConfig) (*listener, error) {
	l := &listener{side: side, cfg: cfg}
	if cfg.TLS.HasValue() {
		var err error
		if l.tls, err = cfg.TLS.Get().LoadTLSConfig(ctx); err != nil {
			return nil, fmt.Errorf("%s::tls: %w", side, err)
		}
		l.tls.NextProtos = []string{"h2", "http/1.1"} // a reloaded client CA has its own copy of them
	}
	var config net.ListenConfig
	var err error
	if l.net, err = config.Listen(ctx, "tcp", cfg.Endpoint); err != nil {
		variable := map[exchange.Side]string{exchange.Ingress: "MODTAP_LISTEN", exchange.Egress: "MODTAP_EGRESS_LISTEN"}[side]
		return nil, fmt.Errorf("%s::endpoint: %w; name a free address, or set %s", side, err, variable)
	}
	return l, nil
}

// serve accepts requests until drain.
func (l *listener) serve(host component.Host) {
	l.server = &http.Server{
		Handler:           l.handler,
		ReadHeaderTimeout: l.cfg.ReadHeaderTimeout,
		IdleTimeout:       l.cfg.IdleTimeout,
		MaxHeaderBytes:    l.cfg.MaxHeaderBytes,
		TLSConfig:         l.tls,
		ErrorLog:          zap.NewStdLog(zap.NewNop()), // handshakes and hang-ups of clients are no faults of ours

		DisableGeneralOptionsHandler: true,
	}
	if l.side == exchange.Egress {
		l.server.ConnState = func(c net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				l.handler.inFlight.Closed(c.RemoteAddr().String())
			}
		}
	}
	l.serving.Go(func() {
		if err := l.accept(); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(fmt.Errorf("%s: %w", l.side, err)))
		}
	})
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
	err := l.server.Shutdown(bounded)
	if err != nil {
		l.handler.cutOff.Store(true)
		_ = l.server.Close() // the handlers see their clients gone
	}
	l.serving.Wait()
	l.handler.handlers.Wait()
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

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// owns lists the addresses of all listeners.
func owns(listeners []*listener) []string {
	var out []string
	for _, l := range listeners {
		out = append(out, l.addr().String())
	}
	return out
}
