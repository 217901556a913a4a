// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/journal"
)

// The time between two checkpoints: at least checkpointInterval, and more where
// making one takes long, so that it costs a hundredth of the time at most.
const (
	checkpointInterval = time.Second
	checkpointShare    = 100
)

// faultInterval is the time between two looks at what may be wrong.
const faultInterval = time.Second

// keeper saves complete checkpoints, frees what they make dispensable in the
// journal, and reports faults of what is kept.
type keeper struct {
	dir      string // empty: nothing is kept
	journal  journal.Journal
	cursors  *cursors // nil: none are kept
	complete chan *checkpoint
	pending  atomic.Int32 // checkpoints that aren't saved yet: two at most, at a stop
	report   func(error)
	log      *zap.Logger

	saving   error // why the last checkpoint couldn't be saved
	reported string
}

func (k *keeper) run() {
	ticker := time.NewTicker(faultInterval)
	defer ticker.Stop()
	for {
		select {
		case c, more := <-k.complete:
			if !more {
				return
			}
			k.keep(c)
			k.pending.Add(-1)
		case <-ticker.C:
		}
		k.look()
	}
}

// keep saves c. Where it can't, what c would free stays in the journal.
func (k *keeper) keep(c *checkpoint) {
	if k.dir != "" {
		if c.failed.Load() {
			return
		}
		if k.saving = c.save(k.dir); k.saving != nil {
			return
		}
	}
	k.journal.Release(c.Position)
}

// look reports what is wrong, where that is news; nil when all is well again.
func (k *keeper) look() {
	fault := k.journal.Status().Fault
	if fault != nil {
		fault = fmt.Errorf("journal: %w", fault)
	}
	if k.dir != "" {
		if k.saving != nil {
			fault = errors.Join(fault, fmt.Errorf("checkpoint: %w", k.saving))
		}
		if err := k.cursors.check(); err != nil {
			fault = errors.Join(fault, fmt.Errorf("cursors: %w", err))
		}
	}
	text := ""
	if fault != nil {
		text = fault.Error()
	}
	if text == k.reported {
		return
	}
	k.reported = text
	if fault != nil {
		k.log.Error("what is captured isn't safe from a crash", zap.Error(fault))
	} else {
		k.log.Warn("what is captured is safe from a crash again")
	}
	if k.report != nil {
		k.report(fault)
	}
}

// load reads what an earlier run kept; nil: nothing. What can't be read is moved
// aside.
func (k *keeper) load() *checkpoint {
	if k.dir == "" {
		return nil
	}
	c, err := loadCheckpoint(k.dir)
	if err == nil {
		return c
	}
	path := filepath.Join(k.dir, "checkpoint")
	k.log.Error("the checkpoint is lost: metrics count from zero again, and what the journal holds is read from its beginning",
		zap.Error(err), zap.NamedError("moved aside", os.Rename(path, path+".broken")))
	return nil
}
