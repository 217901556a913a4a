// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/document"
)

const scopeName = "github.com/modtap/modtap/exporters/jsonlinesexporter"

// maxIdleBuffer is the largest buffer, in bytes, that is kept between batches.
const maxIdleBuffer = 4 << 20

var errNotRunning = errors.New("exporter not running")

// output takes batches of whole lines. A batch whose write fails has left
// nothing behind, as far as the output can see to that.
type output interface {
	io.Writer
	io.Closer
}

type jsonLines struct {
	id     component.ID
	cfg    *Config
	logger *zap.Logger

	repeated metric.Int64Counter

	mu      sync.Mutex
	out     *bounded // nil unless running.
	health  health
	memory  *memory
	encoder document.Encoder
	batch   []byte
}

func newExporter(cfg *Config, set exporter.Settings) (*jsonLines, error) {
	repeated, err := set.MeterProvider.Meter(scopeName).Int64Counter(
		"otelcol_exporter_jsonlines_repeated_documents",
		metric.WithUnit("{document}"),
		metric.WithDescription("Documents that the JSON log was handed twice, after a crash, and holds once."),
	)
	if err != nil {
		return nil, err
	}
	return &jsonLines{
		id: set.ID, cfg: cfg, logger: set.Logger, repeated: repeated,
		memory: newMemory(time.Now()),
	}, nil
}

// start opens the output, so that a path that can't be written stops the start.
func (e *jsonLines) start(_ context.Context, host component.Host) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.out != nil {
		return nil
	}
	e.health = health{host: host}
	if isStandardOutput(e.cfg.Path) {
		e.out = newBounded(stdout{})
		return nil
	}
	f, err := openFile(e.cfg.Path, e.cfg.mode(), e.cfg.Rotation, e.logger)
	if err != nil {
		return pathError(e.id, err)
	}
	f.recallTail(e.memory)
	e.memory.search = func(run string) { f.recallRun(e.memory, run) }
	e.out = newBounded(f)
	return nil
}

func isStandardOutput(path string) bool {
	if path == standardOutput {
		return true
	}
	to, err := target(path)
	descriptor, ok := stream(to)
	return err == nil && ok && descriptor == 1
}

func (e *jsonLines) shutdown(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.out == nil {
		return nil
	}
	err := e.out.close()
	e.out = nil
	return err
}

// consumeLogs writes all records that aren't written yet in one call, so that
// a batch lies in one file and either all of it is there or, after an error,
// nothing.
func (e *jsonLines) consumeLogs(ctx context.Context, logs plog.Logs) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.out == nil {
		return errNotRunning
	}
	if err := e.out.ready(ctx); err != nil {
		e.health.update(err)
		return err
	}

	batch := e.batch[:0]
	repeated := int64(0)
	for _, inResource := range logs.ResourceLogs().All() {
		instance := instanceID(inResource.Resource().Attributes(), "")
		for _, inScope := range inResource.ScopeLogs().All() {
			e.encoder.Within(inResource.Resource(), inScope.Scope())
			for _, record := range inScope.LogRecords().All() {
				if id := document.ID(record); id != "" && e.memory.isRepeated(instanceID(record.Attributes(), instance), id) {
					repeated++
					continue
				}
				batch = e.encoder.AppendJSON(batch, record)
				batch = append(batch, '\n')
			}
		}
	}
	if cap(batch) <= maxIdleBuffer {
		e.batch = batch
	}
	if err := e.write(ctx, batch); err != nil {
		e.memory.rollback()
		e.batch = nil // A write that hangs still reads it.
		return err
	}
	e.memory.commit()
	if repeated > 0 {
		e.repeated.Add(ctx, repeated, metric.WithAttributes(attribute.String("exporter", e.id.String())))
	}
	return nil
}

func (e *jsonLines) write(ctx context.Context, batch []byte) error {
	if len(batch) == 0 {
		return nil
	}
	err := e.out.write(ctx, batch)
	e.health.update(err)
	return err
}

// instanceID is the service.instance.id among attributes, or inherited.
func instanceID(attributes pcommon.Map, inherited string) string {
	if id, ok := attributes.Get(string(semconv.ServiceInstanceIDKey)); ok {
		return id.AsString()
	}
	return inherited
}

// stdout is standard output, which is not ours to close. What a failed write
// has left there can't be taken back.
type stdout struct{}

func (stdout) Write(batch []byte) (int, error) { return os.Stdout.Write(batch) }

func (stdout) Close() error { return nil }
