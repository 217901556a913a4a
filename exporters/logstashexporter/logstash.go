// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/modtap/modtap/internal/document"
)

var errStopping = errors.New("stop before Logstash has acknowledged")

type logstashExporter struct {
	id       component.ID
	cfg      *Config
	encoders sync.Pool // Of *document.Encoder.

	hosts    *hosts
	health   health
	stopping chan struct{} // Closed when no keep-alive is waited on for any more.
}

func newExporter(cfg *Config, set exporter.Settings) *logstashExporter {
	return &logstashExporter{
		id:       set.ID,
		cfg:      cfg,
		encoders: sync.Pool{New: func() any { return new(document.Encoder) }},
		stopping: make(chan struct{}),
	}
}

// start connects to nothing: a Logstash that is down must not stop Modtap.
func (e *logstashExporter) start(ctx context.Context, host component.Host) error {
	if e.hosts != nil {
		return nil
	}
	h := &hosts{cfg: e.cfg}
	if e.cfg.TLS.HasValue() {
		var err error
		if h.tls, err = e.cfg.TLS.Get().LoadTLSConfig(ctx); err != nil {
			return fmt.Errorf("exporters::%s::tls: %w", e.id, err)
		}
	}
	e.hosts = h
	e.health.host = host
	return nil
}

func (e *logstashExporter) shutdown(context.Context) error {
	if e.hosts != nil {
		e.hosts.close()
	}
	return nil
}

// pushLogs sends a batch. An error that carries records is about those alone;
// any other is about the whole batch. Both may be tried again: Logstash's output
// recognises by its id what is there already.
func (e *logstashExporter) pushLogs(ctx context.Context, logs plog.Logs) error {
	encoder := e.encoders.Get().(*document.Encoder)
	batch := events(encoder, logs)
	e.encoders.Put(encoder)

	acknowledged, err := e.deliver(ctx, batch)
	if ctx.Err() == nil && !errors.Is(err, errStopping) {
		e.health.update(err)
	}
	if err == nil || acknowledged == 0 {
		return err
	}
	return consumererror.NewLogs(
		fmt.Errorf("%d of %d documents not acknowledged: %w", len(batch)-acknowledged, len(batch), err),
		without(logs, acknowledged),
	)
}

// deliver returns how many events, from the first on, are acknowledged.
func (e *logstashExporter) deliver(ctx context.Context, batch []any) (int, error) {
	acknowledged := 0
	for acknowledged < len(batch) {
		c, err := e.hosts.take(ctx)
		if err != nil {
			return acknowledged, err
		}
		wasUsed := c.used
		n, err := c.send(ctx, e.stopping, batch[acknowledged:min(acknowledged+e.cfg.WindowSize, len(batch))])
		acknowledged += n
		switch {
		case err == nil:
			e.hosts.put(c)
		case wasUsed && n == 0 && isClosed(ctx, err):
			// Logstash closes what is idle for a minute, so this says nothing of it.
			c.close()
		default:
			c.close()
			if ctx.Err() == nil {
				e.hosts.failed(c)
			}
			return acknowledged, fmt.Errorf("%s: %w", e.cfg.Hosts[c.host], err)
		}
	}
	return acknowledged, nil
}

// isClosed tells whether the other side has closed the connection, other than by
// silence.
func isClosed(ctx context.Context, err error) bool {
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return false
	}
	return ctx.Err() == nil && !errors.Is(err, errStopping)
}
