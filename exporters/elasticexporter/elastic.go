// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// elasticExporter sends one signal to its index.
type elasticExporter struct {
	id        component.ID
	cfg       *Config
	index     string
	logger    *zap.Logger
	telemetry *telemetry
	batcher   *batcher
	letters   *deadLetters
	health    health

	// life ends when a stop has waited long enough.
	life context.Context
	end  context.CancelFunc

	nodes    *nodes
	template *template
}

func newExporter(cfg *Config, index string, appending *sync.Mutex, set exporter.Settings) (*elasticExporter, error) {
	counted, err := newTelemetry(set)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	return &elasticExporter{
		id:        set.ID,
		cfg:       cfg,
		index:     index,
		logger:    onceAMinute(set.Logger),
		telemetry: counted,
		batcher:   newBatcher(index, !cfg.DataStream),
		letters:   &deadLetters{path: cfg.DeadLetter.Path, limit: int64(cfg.DeadLetter.MaxMegabytes) * megabyte, mu: appending},
		life:      life,
		end:       end,
	}, nil
}

// onceAMinute lets each message of a kind through once a minute.
func onceAMinute(logger *zap.Logger) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
	}))
}

// start asks nothing of the cluster: one that is down must not stop Modtap.
func (e *elasticExporter) start(ctx context.Context, host component.Host) error {
	if e.nodes != nil {
		return nil
	}
	n, err := newNodes(ctx, e.cfg)
	if err != nil {
		return fmt.Errorf("exporters::%s::%w", e.id, err)
	}
	t, err := newTemplate(e.index, e.cfg.DataStream, n, &retention{after: e.cfg.Retention, logger: e.logger})
	if err != nil {
		n.close()
		return err
	}
	t.unmanaged = !e.cfg.Template
	e.health.host = host
	e.nodes, e.template = n, t
	return nil
}

func (e *elasticExporter) shutdown(context.Context) error {
	e.end()
	if e.nodes != nil {
		e.nodes.close()
	}
	return nil
}

// stopWithin ends all requests once the time has passed. What is in flight stays
// in a queue on disk. The returned function must be called.
func (e *elasticExporter) stopWithin(d time.Duration) func() {
	e.health.stop()
	timer := time.AfterFunc(d, e.end)
	return func() { timer.Stop() }
}

// pushLogs sends a batch. An error that carries records is about those alone;
// any other is about the whole batch. Both may be tried again: what is there
// already is recognised by its id.
func (e *elasticExporter) pushLogs(ctx context.Context, logs plog.Logs) error {
	return e.push(ctx, e.batcher.logs(logs), func(err error, again []bool) error {
		return consumererror.NewLogs(err, selectRecords(logs, again))
	})
}

// pushTraces is what pushLogs is, for spans.
func (e *elasticExporter) pushTraces(ctx context.Context, traces ptrace.Traces) error {
	return e.push(ctx, e.batcher.spans(traces), func(err error, again []bool) error {
		return consumererror.NewTraces(err, selectSpans(traces, again))
	})
}

func (e *elasticExporter) push(ctx context.Context, documents *batch, partly func(error, []bool) error) error {
	if documents.len() == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)() //nolint:contextcheck // Both contexts end the request.
	err := e.deliver(ctx, documents, partly)
	e.health.report(err)
	return err
}

func (e *elasticExporter) deliver(ctx context.Context, documents *batch, partly func(error, []bool) error) error {
	if err := e.template.ensure(ctx); err != nil {
		e.telemetry.countRetried(ctx, map[string]int{errorType(err): documents.len()})
		return err
	}
	sent := newBulk(e.nodes, documents)
	sent.send(ctx, 0, documents.len())
	e.telemetry.countDuplicates(ctx, sent.duplicates)
	e.telemetry.countRetried(ctx, sent.retried)
	e.bury(ctx, documents, sent.rejected)
	if sent.whole != nil {
		// The cluster that comes back may be a new one, without the template.
		e.template.forget()
	}
	switch {
	case sent.failed == 0:
		return nil
	case sent.failed == documents.len() && sent.whole != nil:
		return sent.whole
	default:
		return partly(fmt.Errorf("%d of %d documents not taken for now: %s", sent.failed, documents.len(), sent.reason), sent.again)
	}
}

// bury writes documents that will never be taken to the dead-letter file, and
// counts them and those that it couldn't write. A reason is told once a minute,
// with the id to look for in the JSON log.
func (e *elasticExporter) bury(ctx context.Context, documents *batch, rejected []rejection) {
	if len(rejected) == 0 {
		return
	}
	lines := make([][]byte, 0, len(rejected))
	for i := range rejected {
		letter, line, err := rejected[i].letter(documents, time.Now())
		if err != nil {
			e.telemetry.countLost(ctx, lostWriteFault, 1)
			e.logger.Error("A refused document can't be written", zap.Error(err))
			continue
		}
		lines = append(lines, line)
		e.telemetry.countRejected(ctx, letter.Error.Type)
		e.logger.Warn("Elasticsearch refuses a document, and maybe others that aren't told within the minute",
			zap.String("index", letter.Index), zap.String("event.id", letter.ID), zap.Int("status", letter.Status),
			zap.String("error.type", letter.Error.Type), zap.String("reason", letter.Error.Reason),
			zap.String("dead_letter", e.letters.path))
	}
	kept, why, err := e.letters.write(lines)
	if lost := len(lines) - kept; lost > 0 {
		e.telemetry.countLost(ctx, why, lost)
		e.logger.Error("Refused documents are lost", zap.Int("count", lost), zap.String("why", why),
			zap.String("dead_letter", e.letters.path), zap.Error(err))
	}
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

// selectSpans is what selectRecords is, for spans.
func selectSpans(traces ptrace.Traces, marked []bool) ptrace.Traces {
	selected := ptrace.NewTraces()
	traces.CopyTo(selected)
	next := 0
	selected.ResourceSpans().RemoveIf(func(inResource ptrace.ResourceSpans) bool {
		inResource.ScopeSpans().RemoveIf(func(inScope ptrace.ScopeSpans) bool {
			inScope.Spans().RemoveIf(func(ptrace.Span) bool {
				next++
				return !marked[next-1]
			})
			return inScope.Spans().Len() == 0
		})
		return inResource.ScopeSpans().Len() == 0
	})
	return selected
}
