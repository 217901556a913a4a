// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

type prometheusExporter struct {
	id     component.ID
	cfg    *Config
	logger *zap.Logger
	page   http.Handler
	store  *store

	announce func(what, where, note string)

	server *server // nil unless running.
}

func newExporter(cfg *Config, set exporter.Settings, others prometheus.Gatherers, announce func(what, where, note string)) *prometheusExporter {
	e := &prometheusExporter{
		id:     set.ID,
		cfg:    cfg,
		logger: onceAMinute(set.Logger),
		store:  newStore(cfg.MetricExpiration),

		announce: announce,
	}
	e.page = newPage(e.logger, append(gatherers{e.store}, others...))
	return e
}

// onceAMinute lets each message of a kind through once a minute.
func onceAMinute(logger *zap.Logger) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
	}))
}

func (e *prometheusExporter) start(ctx context.Context, host component.Host) error {
	if e.server != nil {
		return nil
	}
	scheme, err := scheme(e.cfg.WebConfigFile)
	if err != nil {
		return fmt.Errorf("exporters::%s::web_config_file: %w", e.id, err)
	}
	s := &server{
		handler:   e.page,
		allowed:   e.cfg.AllowedHosts,
		webConfig: e.cfg.WebConfigFile,
		logger:    e.logger,
		report:    func(event *componentstatus.Event) { componentstatus.ReportStatus(host, event) },
	}
	if err := s.listen(ctx, e.cfg.Endpoint); err != nil {
		return fmt.Errorf("exporters::%s::endpoint: %w: choose an address that is this machine's and free", e.id, err)
	}
	e.server = s
	e.announce("metrics", scheme+"://"+s.addr().String()+"/metrics", "")
	return nil
}

func (e *prometheusExporter) shutdown(ctx context.Context) error {
	if e.server == nil {
		return nil
	}
	err := e.server.shutdown(ctx)
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
