// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/session/summary"
)

// judging are the settings that verdicts, and the order of telling, depend on. Each run
// writes them into its start record, and what it leaves untold is judged by them: were
// it judged by those of the next run, the cursors would stand between other exchanges
// than before.
type judging struct {
	Settle   time.Duration
	Join     cache.JoinSettings
	Sessions session.Settings
}

func (s *Settings) judging() judging { return judging{s.Settle, s.Join, s.Sessions} }

// encode returns j as a start record has it.
func (j judging) encode() []byte {
	b, _ := json.Marshal(j) // there is nothing in it that can't be
	return b
}

// judges returns who judges by j.
func (e *Engine) judges(j judging) (*cache.Settler, *summary.Tracker) {
	return cache.NewSettler(j.Settle, j.Join, e.settled), summary.NewTracker(j.Sessions, e.closed)
}

// otherwise returns the settings that a start record has, where they are known and
// others than those in use.
func (e *Engine) otherwise(settings []byte) (j judging, ok bool) {
	if len(settings) == 0 || bytes.Equal(settings, e.judging) {
		return j, false
	}
	if err := json.Unmarshal(settings, &j); err != nil {
		e.restore("settings of an earlier run", err)
		return j, false
	}
	return j, true
}

// judgeBy goes on with what is known, and with the settings of the run that opens.
func (e *Engine) judgeBy(settings []byte) {
	j, ok := e.otherwise(settings)
	if !ok {
		return
	}
	settler, tracker := e.judges(j)
	exchanges, err := e.settler.MarshalBinary()
	if err == nil {
		err = settler.UnmarshalBinary(exchanges)
	}
	sessions, err2 := e.tracker.MarshalBinary()
	if err2 == nil {
		err2 = tracker.UnmarshalBinary(sessions)
	}
	if err := errors.Join(err, err2); err != nil {
		e.restore("settings of a run", err)
		return
	}
	e.judging, e.settler, e.tracker = bytes.Clone(settings), settler, tracker
}
