// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

type traces struct {
	exporter.Traces
	*watch
}

func (e traces) Start(ctx context.Context, host component.Host) error {
	return e.start(ctx, host, e.Traces)
}

func (e traces) Shutdown(ctx context.Context) error { return e.shutdown(ctx, e.Traces) }

func (e traces) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	count := td.SpanCount() // the exporter may own it afterwards
	return e.handOver(ctx, count, func(ctx context.Context) error { return e.Traces.ConsumeTraces(ctx, td) })
}

type metrics struct {
	exporter.Metrics
	*watch
}

func (e metrics) Start(ctx context.Context, host component.Host) error {
	return e.start(ctx, host, e.Metrics)
}

func (e metrics) Shutdown(ctx context.Context) error { return e.shutdown(ctx, e.Metrics) }

func (e metrics) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	count := md.DataPointCount()
	return e.handOver(ctx, count, func(ctx context.Context) error { return e.Metrics.ConsumeMetrics(ctx, md) })
}

type logs struct {
	exporter.Logs
	*watch
}

func (e logs) Start(ctx context.Context, host component.Host) error {
	return e.start(ctx, host, e.Logs)
}

func (e logs) Shutdown(ctx context.Context) error { return e.shutdown(ctx, e.Logs) }

func (e logs) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	count := ld.LogRecordCount()
	return e.handOver(ctx, count, func(ctx context.Context) error { return e.Logs.ConsumeLogs(ctx, ld) })
}

// start starts the exporter and, if that worked, the watch: a component may report its status from then on.
func (w *watch) start(ctx context.Context, host component.Host, e component.Component) error {
	w.host = host
	if err := e.Start(ctx, host); err != nil {
		return err
	}
	w.begin()
	return nil
}

// shutdown ends the watch first: a component that stops reports nothing more.
func (w *watch) shutdown(ctx context.Context, e component.Component) error {
	w.end()
	return e.Shutdown(ctx)
}
