// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// What upstream's OTLP exporters log when a backend takes a request and refuses a part of what is in it, and the fields
// dropped_spans, dropped_data_points or dropped_log_records. It is all that they do; a test with the real ones fails if that changes.
const (
	partialMessage = "Partial success response"
	partialField   = "dropped_"
	messageField   = "message"
)

// A partialCore is an exporter's log. It tells the watch what a backend refused of a request that it took.
type partialCore struct {
	zapcore.Core
	watch *watch
}

// watchLog makes the log of an exporter known to its watch, and lets what is said about each request through once a minute.
func watchLog(logger *zap.Logger, w *watch) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return &partialCore{Core: core, watch: w}
	}))
}

func (c *partialCore) With(fields []zapcore.Field) zapcore.Core {
	return &partialCore{Core: c.Core.With(fields), watch: c.watch}
}

// Check takes the message also where the log's level is higher.
func (c *partialCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if entry.Message == partialMessage {
		return checked.AddCore(entry, c)
	}
	return c.Core.Check(entry, checked)
}

func (c *partialCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	var items int64
	var message string
	for _, f := range fields {
		switch {
		case strings.HasPrefix(f.Key, partialField):
			items = f.Integer
		case f.Key == messageField:
			message = f.String
		}
	}
	if c.watch.partly(max(items, 0), message) && c.Enabled(entry.Level) {
		return c.Core.Write(entry, fields)
	}
	return nil
}

// partly counts what a backend refused of a request that it took, and reports it until a request is taken as a whole. It returns
// whether that is to be said: once a minute.
func (w *watch) partly(items int64, message string) bool {
	if items > 0 {
		w.meters.dropped(context.Background(), int(items), reasonRefused)
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if items > 0 {
		w.failed = now
		w.report(fmt.Errorf("the backend refused %d of the items of a request: %s", items, message))
	}
	if now.Sub(w.said) < time.Minute {
		return false
	}
	w.said = now
	return true
}
