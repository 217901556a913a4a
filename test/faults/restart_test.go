// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

const (
	// maxRestart is what a start may take on a machine that has a processor for it.
	maxRestart = time.Second
	// maxRestartRatio is what it may take of what a plain start takes beside it, on
	// a machine that hasn't.
	maxRestartRatio = 10
)

// restart is a start after a fault.
type restart struct {
	took  time.Duration // to the first answer
	plain time.Duration // the same, of a Modtap with nothing behind it that was started at the same time
}

// restart starts Modtap again after whatever ended it at the given time, and
// beside it one without data, log and backends: what else the machine does
// happens to both.
func (r *run) restart(from time.Time) {
	r.t.Helper()
	plain := r.untold(r.t, filepath.Join(r.t.TempDir(), "data"), port.Addresses(r.t, 3))
	asking := r.client(plain)
	defer asking.close()
	beside := make(chan restart, 1)
	var err error
	go func() {
		var s restart
		s.plain, err = plain.answers(func() error { return asking.get(r.origin.paths[0]) })
		beside <- s
	}()
	took := r.modtap.start(r.ask)
	r.gone = append(r.gone, outage{from, time.Now()})
	s := <-beside
	require.NoError(r.t, err, "the plain start beside it")
	plain.kill()
	s.took = took
	r.starts = append(r.starts, s)
}

// checkRestarts checks that the port answered again soon each time.
func (r *run) checkRestarts() {
	for _, s := range r.starts {
		assert.Less(r.t, s.took, max(maxRestart, maxRestartRatio*s.plain), "the port answers again; a plain start took %v", s.plain)
	}
}

// times are how long the starts took.
func times(starts []restart) (all []time.Duration) {
	for _, s := range starts {
		all = append(all, s.took)
	}
	return slices.Clip(all)
}
