// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap/zapcore"
)

// What upstream's exporter helper logs: a retry as information, which a quiet log
// doesn't show; what a stop interrupted as dropped, which it isn't where a queue on
// disk keeps it; and each refusal of an exporter without a queue as an error with a
// cure, though whoever was refused has the data and hands it over again.
const (
	retryMessage  = "Exporting failed. Will retry the request after interval."
	dropMessage   = "Exporting failed. Dropping data."
	rejectMessage = "Exporting failed. Rejecting data."
	interrupted   = "interrupted due to shutdown"
	droppedField  = "dropped_items"

	failingMessage = "exporting fails and is tried again; meanwhile telemetry waits in the exporter's queue"
	refusedMessage = "exporting fails; what is refused stays with the component that hands it over: it tries again, and counts what it gives up"
	stoppedMessage = "exporting was interrupted by the stop; what is in a queue on disk is sent after the next start"
)

// failingInterval is the time between two lines on one exporter that fails.
const failingInterval = time.Minute

// A failingCore tells of exporters that fail, once a minute each.
type failingCore struct {
	zapcore.Core
	told *atomic.Int64 // when it was last told, in Unix seconds
}

func newFailingCore(core zapcore.Core) zapcore.Core {
	return &failingCore{Core: core, told: new(atomic.Int64)}
}

// With makes the core of one component's logger.
func (c *failingCore) With(fields []zapcore.Field) zapcore.Core {
	return newFailingCore(c.Core.With(fields))
}

// Enabled lets retries through to Check also where the log's level is higher.
func (c *failingCore) Enabled(level zapcore.Level) bool {
	return level == zapcore.InfoLevel || c.Core.Enabled(level)
}

func (c *failingCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if entry.Message == retryMessage || strings.HasPrefix(entry.Message, dropMessage) || strings.HasPrefix(entry.Message, rejectMessage) {
		return checked.AddCore(entry, c)
	}
	return c.Core.Check(entry, checked)
}

func (c *failingCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	switch {
	case entry.Message == retryMessage:
		if !c.isNews(entry.Time) {
			return nil
		}
		entry.Message = failingMessage
	case strings.HasPrefix(entry.Message, rejectMessage):
		if !c.isNews(entry.Time) {
			return nil
		}
		entry.Message = refusedMessage
	case saysInterrupted(fields):
		entry.Message = stoppedMessage
		fields = slices.DeleteFunc(slices.Clone(fields), func(f zapcore.Field) bool { return f.Key == droppedField })
	default:
		return c.Core.Write(entry, fields)
	}
	entry.Level = zapcore.WarnLevel
	return c.Core.Write(entry, fields)
}

// isNews tells whether the last line is long enough ago, and takes note of this one.
func (c *failingCore) isNews(at time.Time) bool {
	now, last := at.Unix(), c.told.Load()
	return now-last >= int64(failingInterval/time.Second) && c.told.CompareAndSwap(last, now)
}

func saysInterrupted(fields []zapcore.Field) bool {
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && strings.Contains(err.Error(), interrupted) {
			return true
		}
	}
	return false
}
