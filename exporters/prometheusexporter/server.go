// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/zap"
	"go.uber.org/zap/zapio"

	"github.com/modtap/modtap/internal/accept"
	"github.com/modtap/modtap/internal/frontdoor"
)

// A scrape takes milliseconds; whoever is slower than this is no Prometheus.
const (
	readTimeout     = 10 * time.Second
	writeTimeout    = time.Minute
	idleTimeout     = 5 * time.Minute
	shutdownTimeout = 5 * time.Second
)

// listenAgain is the pause before a new try to listen.
const listenAgain = time.Second

// server serves a page. A listener that fails is replaced by one at the same
// address: a page that is away for a while must not end the traffic.
type server struct {
	handler   http.Handler
	allowed   []string // Hosts; see frontdoor.
	webConfig string   // Path; empty for plain HTTP.
	logger    *zap.Logger
	report    func(*componentstatus.Event)

	serving sync.WaitGroup
	ended   chan struct{} // Closed when the server is to end.

	mu       sync.Mutex
	current  *http.Server
	listener net.Listener
}

// listen opens the address and serves until shutdown.
func (s *server) listen(ctx context.Context, address string) error {
	listener, err := accept.Listen(ctx, address, s.logger, s.accepting)
	if err != nil {
		return err
	}
	s.ended = make(chan struct{})
	s.replace(listener)
	s.serving.Go(s.serve)
	return nil
}

// accepting takes a fault of the listener that may pass; nil: it has none any more.
func (s *server) accepting(fault error) {
	event := componentstatus.NewEvent(componentstatus.StatusOK)
	if fault != nil {
		event = componentstatus.NewRecoverableErrorEvent(fmt.Errorf("metrics page: %w", fault))
	}
	s.report(event)
}

func (s *server) addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener.Addr()
}

func (s *server) isEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// replace takes a listener and an http.Server for it, which serves only once,
// unless the server is to end.
func (s *server) replace(listener net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isEnded() {
		return false
	}
	s.listener = listener
	s.current = &http.Server{
		Handler:           frontdoor.New(listener.Addr(), s.allowed).Handler(s.handler),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          zap.NewStdLog(s.logger),
	}
	return true
}

func (s *server) serve() {
	log := &zapio.Writer{Log: s.logger, Level: zap.WarnLevel}
	defer log.Close()
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for {
		s.mu.Lock()
		current, listener := s.current, s.listener
		s.mu.Unlock()
		err := web.Serve(renewed(listener, s.webConfig, s.ended), current, &web.FlagConfig{WebConfigFile: &s.webConfig}, logger)
		if s.isEnded() {
			return
		}
		_ = listener.Close() // A web configuration that broke since the start leaves it open.
		s.report(componentstatus.NewRecoverableErrorEvent(fmt.Errorf("metrics page: %w", err)))
		s.logger.Warn("Metrics page is away", zap.Error(err))
		if !s.reopen(listener.Addr().String()) {
			return
		}
		s.report(componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

// reopen listens at the address again as soon as it can; false if the server is
// to end.
func (s *server) reopen(address string) bool {
	for {
		select {
		case <-s.ended:
			return false
		case <-time.After(listenAgain):
		}
		listener, err := accept.Listen(context.Background(), address, s.logger, s.accepting)
		if err == nil {
			if err = web.Validate(s.webConfig); err == nil && s.replace(listener) {
				return true
			}
			_ = listener.Close() // Nothing was accepted.
		}
		s.logger.Warn("Metrics page is still away", zap.Error(err))
	}
}

// shutdown lets scrapes end, within a bound.
func (s *server) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	s.mu.Lock()
	close(s.ended)
	current, listener := s.current, s.listener
	s.mu.Unlock()
	err := current.Shutdown(ctx)
	if err != nil { // A scrape hangs.
		err = current.Close()
	}
	// Shutdown doesn't know a listener that Serve has not got hold of yet.
	if fault := listener.Close(); fault != nil && !errors.Is(fault, net.ErrClosed) {
		err = errors.Join(err, fault)
	}
	s.serving.Wait()
	return err
}

// scheme tells how a page with this web configuration is asked for. The file has
// been validated: with a certificate it has all that TLS needs.
func scheme(webConfig string) (string, error) {
	if webConfig == "" {
		return "http", nil
	}
	text, err := os.ReadFile(webConfig)
	if err != nil {
		return "", err
	}
	parsed, err := confmap.NewRetrievedFromYAML(text)
	if err != nil {
		return "", err
	}
	conf, err := parsed.AsConf()
	if err != nil {
		return "", err
	}
	if conf.IsSet("tls_server_config::cert_file") || conf.IsSet("tls_server_config::cert") {
		return "https", nil
	}
	return "http", nil
}
