// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/document"
)

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

	mu      sync.Mutex
	out     output // nil unless running.
	encoder document.Encoder
	batch   []byte
}

func newExporter(cfg *Config, set exporter.Settings) *jsonLines {
	return &jsonLines{id: set.ID, cfg: cfg, logger: set.Logger}
}

// start opens the output, so that a path that can't be written stops the start.
func (e *jsonLines) start(context.Context, component.Host) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.out != nil {
		return nil
	}
	if e.cfg.Path == standardOutput {
		e.out = stdout{}
		return nil
	}
	f, err := openFile(e.cfg.Path, e.cfg.Rotation, e.logger)
	if err != nil {
		return fmt.Errorf("exporters::%s::path: %w: name a file that Modtap may write to, or \"-\" for standard output", e.id, err)
	}
	e.out = f
	return nil
}

func (e *jsonLines) shutdown(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.out == nil {
		return nil
	}
	err := e.out.Close()
	e.out = nil
	return err
}

// consumeLogs writes all records in one call, so that a batch lies in one file
// and either all of it is there or, after an error, nothing.
func (e *jsonLines) consumeLogs(ctx context.Context, logs plog.Logs) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.out == nil {
		return errNotRunning
	}

	batch := e.batch[:0]
	for _, inResource := range logs.ResourceLogs().All() {
		for _, inScope := range inResource.ScopeLogs().All() {
			for _, record := range inScope.LogRecords().All() {
				batch = e.encoder.AppendJSON(batch, inResource.Resource(), record)
				batch = append(batch, '\n')
			}
		}
	}
	if cap(batch) <= maxIdleBuffer {
		e.batch = batch
	}
	if len(batch) == 0 {
		return nil
	}
	_, err := e.out.Write(batch)
	return err
}

// stdout is standard output, which is not ours to close. What a failed write
// has left there can't be taken back.
type stdout struct{}

func (stdout) Write(batch []byte) (int, error) { return os.Stdout.Write(batch) }

func (stdout) Close() error { return nil }
