// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// A scrape takes milliseconds; whoever is slower than this is no Prometheus.
const (
	readTimeout     = 10 * time.Second
	writeTimeout    = time.Minute
	idleTimeout     = 5 * time.Minute
	shutdownTimeout = 5 * time.Second
)

type prometheusExporter struct {
	id     component.ID
	cfg    *Config
	logger *zap.Logger
	page   http.Handler
	store  *store

	announce func(what, where, note string)

	server   *http.Server // nil unless running.
	listener net.Listener
	serving  sync.WaitGroup
}

func newExporter(cfg *Config, set exporter.Settings, others prometheus.Gatherers, announce func(what, where, note string)) *prometheusExporter {
	e := &prometheusExporter{
		id:     set.ID,
		cfg:    cfg,
		logger: onceAMinute(set.Logger),
		store:  newStore(cfg.MetricExpiration),

		announce: announce,
	}
	e.page = promhttp.HandlerFor(append(prometheus.Gatherers{e.store}, others...), promhttp.HandlerOpts{
		ErrorLog:          pageLog{e.logger},
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	})
	return e
}

// onceAMinute lets each message of a kind through once a minute.
func onceAMinute(logger *zap.Logger) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
	}))
}

// pageLog tells what promhttp has left out of the page.
type pageLog struct{ logger *zap.Logger }

func (l pageLog) Println(v ...any) {
	l.logger.Warn("Metrics page is incomplete", zap.String("reason", fmt.Sprint(v...)))
}

func (e *prometheusExporter) start(ctx context.Context, host component.Host) error {
	if e.server != nil {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", e.cfg.Endpoint)
	if err != nil {
		return fmt.Errorf("exporters::%s::endpoint: %w: choose an address that is this machine's and free", e.id, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", e.page)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          zap.NewStdLog(e.logger),
	}
	e.server, e.listener = server, listener
	e.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(fmt.Errorf("metrics page: %w", err)))
		}
	})
	e.announce("metrics", "http://"+listener.Addr().String()+"/metrics", "")
	return nil
}

func (e *prometheusExporter) shutdown(ctx context.Context) error {
	if e.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	err := e.server.Shutdown(ctx)
	if err != nil { // A scrape hangs.
		err = e.server.Close()
	}
	e.serving.Wait()
	e.server = nil
	return err
}

// consumeMetrics shows the batch. What can't be shown is refused with a permanent
// error, since it would be no better the next time; the rest is shown.
func (e *prometheusExporter) consumeMetrics(_ context.Context, metrics pmetric.Metrics) error {
	err := e.store.update(metrics)
	if err != nil {
		e.logger.Warn("Metrics that can't be shown are refused", zap.Error(err))
		return consumererror.NewPermanent(err)
	}
	return nil
}
