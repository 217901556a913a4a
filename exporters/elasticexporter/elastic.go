// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/olivere/elastic/v7"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/modtap/modtap/internal/document"
)

const scopeName = "github.com/modtap/modtap/exporters/elasticexporter"

// dayFormat is how Elasticsearch's own tools name daily indices.
const dayFormat = "2006.01.02"

type elasticExporter struct {
	id       component.ID
	cfg      *Config
	logger   *zap.Logger
	rejected metric.Int64Counter
	encoders sync.Pool // Of *document.Encoder.

	nodes    *nodes
	template *template
}

func newExporter(cfg *Config, set exporter.Settings) (*elasticExporter, error) {
	rejected, err := set.MeterProvider.Meter(scopeName).Int64Counter(
		"otelcol_exporter_elastic_rejected_documents",
		metric.WithUnit("{document}"),
		metric.WithDescription("Documents that Elasticsearch refused for their content and that were dropped."),
	)
	if err != nil {
		return nil, err
	}
	return &elasticExporter{
		id:       set.ID,
		cfg:      cfg,
		logger:   onceAMinute(set.Logger),
		rejected: rejected,
		encoders: sync.Pool{New: func() any { return new(document.Encoder) }},
	}, nil
}

// onceAMinute lets each message of a kind through once a minute.
func onceAMinute(logger *zap.Logger) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
	}))
}

// start asks nothing of the cluster: one that is down must not stop Modtap.
func (e *elasticExporter) start(ctx context.Context, _ component.Host) error {
	if e.nodes != nil {
		return nil
	}
	n, err := newNodes(ctx, e.cfg)
	if err != nil {
		return fmt.Errorf("exporters::%s::%w", e.id, err)
	}
	t, err := newTemplate(e.cfg.Index, n)
	if err != nil {
		n.close()
		return err
	}
	e.nodes, e.template = n, t
	return nil
}

func (e *elasticExporter) shutdown(context.Context) error {
	if e.nodes != nil {
		e.nodes.close()
	}
	return nil
}

// pushLogs sends a batch. An error that carries records is about those alone;
// any other is about the whole batch. Both may be tried again: what is there
// already is recognised by its id.
func (e *elasticExporter) pushLogs(ctx context.Context, logs plog.Logs) error {
	documents := e.documents(logs)
	if len(documents) == 0 {
		return nil
	}
	if err := e.template.ensure(ctx); err != nil {
		return err
	}
	sent := &bulk{nodes: e.nodes, again: make([]bool, len(documents)), rejected: e.reject}
	if err := sent.send(ctx, documents, 0); err != nil {
		// The cluster that comes back may be a new one, without the template.
		e.template.forget()
		return err
	}
	if sent.failed == 0 {
		return nil
	}
	return consumererror.NewLogs(
		fmt.Errorf("%d of %d documents not taken for now: %s", sent.failed, len(documents), sent.reason),
		selectRecords(logs, sent.again),
	)
}

func (e *elasticExporter) documents(logs plog.Logs) []elastic.BulkableRequest {
	encoder := e.encoders.Get().(*document.Encoder)
	defer e.encoders.Put(encoder)

	documents := make([]elastic.BulkableRequest, 0, logs.LogRecordCount())
	var text []byte
	for _, inResource := range logs.ResourceLogs().All() {
		for _, inScope := range inResource.ScopeLogs().All() {
			for _, record := range inScope.LogRecords().All() {
				text = encoder.AppendJSON(text[:0], inResource.Resource(), record)
				documents = append(documents, elastic.NewBulkCreateRequest().
					UseEasyJSON(true).
					Index(e.cfg.Index+"-"+document.Time(record).Format(dayFormat)).
					Id(document.ID(record)).
					Doc(string(text)))
			}
		}
	}
	return documents
}

// reject counts a document that will never be taken. Its reason is told once a
// minute, with the id to look for in the JSON log.
func (e *elasticExporter) reject(ctx context.Context, item *elastic.BulkResponseItem) {
	kind, reason := describe(item)
	e.rejected.Add(ctx, 1, metric.WithAttributes(
		attribute.String("exporter", e.id.String()),
		semconv.ErrorTypeKey.String(kind),
	))
	e.logger.Warn("Elasticsearch refuses a document; it is dropped, and so are others that aren't told within the minute",
		zap.String("index", item.Index), zap.String("event.id", item.Id),
		zap.Int("status", item.Status), zap.String("error.type", kind), zap.String("reason", reason))
}

// describe tells kind and reason of an item's error with its innermost cause,
// which is the one that helps.
func describe(item *elastic.BulkResponseItem) (kind, reason string) {
	if item.Error == nil {
		return "unknown", "none given"
	}
	reasons := []string{item.Error.Reason}
	for cause := item.Error.CausedBy; cause != nil; cause, _ = cause["caused_by"].(map[string]any) {
		if text, ok := cause["reason"].(string); ok {
			reasons = append(reasons, text)
		}
	}
	return item.Error.Type, strings.Join(reasons, ": ")
}

// selectRecords copies the records of logs that are marked, in their order.
func selectRecords(logs plog.Logs, marked []bool) plog.Logs {
	selected := plog.NewLogs()
	logs.CopyTo(selected)
	next := 0
	selected.ResourceLogs().RemoveIf(func(inResource plog.ResourceLogs) bool {
		inResource.ScopeLogs().RemoveIf(func(inScope plog.ScopeLogs) bool {
			inScope.LogRecords().RemoveIf(func(plog.LogRecord) bool {
				next++
				return !marked[next-1]
			})
			return inScope.LogRecords().Len() == 0
		})
		return inResource.ScopeLogs().Len() == 0
	})
	return selected
}
