// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"sync"

	"go.uber.org/zap/zapcore"

	"github.com/modtap/modtap/collector/stdio"
)

// A gate holds back the warnings and errors of the collector's own log while
// it starts. If it starts, they are written; if it doesn't, they are dropped,
// because the one line that the command prints says the same, with its cure.
// What is below a warning passes: it is only there if the user asked for it.
type gate struct {
	mu   sync.Mutex
	open bool
	held []func() error
}

// wrap is a zap.WrapCore function.
func (g *gate) wrap(core zapcore.Core) zapcore.Core { return &gatedCore{Core: core, gate: g} }

// release writes what was held, and holds nothing from now on.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
	for _, write := range g.held {
		_ = write() // The log is where a failure to write would be told.
	}
	g.held = nil
}

func (g *gate) hold(level zapcore.Level, write func() error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open || level < zapcore.WarnLevel {
		return false
	}
	g.held = append(g.held, write)
	return true
}

type gatedCore struct {
	zapcore.Core
	gate *gate
}

func (c *gatedCore) With(fields []zapcore.Field) zapcore.Core {
	return c.gate.wrap(c.Core.With(fields))
}

func (c *gatedCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c *gatedCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	write := func() error { return c.Core.Write(entry, fields) }
	if c.gate.hold(entry.Level, write) {
		return nil
	}
	return write()
}

// withLibraryLog makes the core of the collector's log that of package log too.
func withLibraryLog(core zapcore.Core) zapcore.Core {
	stdio.TakeLibraryLog(core)
	return core
}
