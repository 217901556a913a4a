// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"github.com/modtap/modtap/internal/exchange"
)

// Clock says what makes time pass for what waits in an engine: windows, idle gaps, the
// ends of sessions.
type Clock uint8

const (
	// Wall is for live traffic: time passes by itself. What a run left open is
	// interrupted when the next one starts, and its sessions end with it.
	Wall Clock = iota
	// Watermark is for sources that keep what they tell, such as logs: it is as late as
	// what the slowest of the open sources has told, so that a line of last week is
	// judged among its neighbours however long the reading takes, and pauses. A run that
	// ends before its sources interrupts nothing: the next one goes on.
	Watermark
)

// time is the time by which what is emitted is old, or isn't.
func (e *Engine) time() exchange.Time {
	if e.settings.Clock == Watermark {
		return e.sources.now()
	}
	return e.clock.wall()
}

// passes reports whether time passes by itself.
func (e *Engine) passes() bool { return e.settings.Clock == Wall }

// startRecord returns the record that opens the run. A watermark isn't known before
// what earlier runs left is read.
func (e *Engine) startRecord() []byte {
	start := exchange.Start{Time: e.now(), Run: e.run, Settings: e.settings.judging().encode()}
	if !e.passes() {
		start.Time, start.Continues = 0, true
	}
	return exchange.AppendStart(nil, start)
}

// conclude ends the run's records: all is over, unless a source will go on.
func (e *Engine) conclude() {
	now, over := e.now(), true
	if !e.passes() {
		if now, over = e.sources.end(); over {
			now = now.Add(e.settings.Settle) // nothing comes any more that a window would wait for
			e.settings.Journal.Append(exchange.AppendTick(nil, now))
		}
	}
	if over {
		e.settings.Journal.Append(exchange.AppendStop(nil, now))
	}
	e.ended, e.over = true, over
}
