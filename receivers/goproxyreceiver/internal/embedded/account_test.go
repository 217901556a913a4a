// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/phase"
)

// TestGivingBackIsExplained: closing a file on a slow disk is the cache's time, not
// nobody's.
func TestGivingBackIsExplained(t *testing.T) {
	now := exchange.Time(1)
	var clock phase.Clock
	clock.Start(func() exchange.Time { return now })
	v := &visit{Caller: Caller{Phases: &clock}}
	func() {
		defer v.leave(func() { now += 70 })
		now += 5
	}()
	assert.EqualValues(t, 70, clock.Parts()[exchange.PhaseCache].Duration)
	assert.NotPanics(t, func() { new(visit).leave(func() {}) }, "where nothing is measured")
}
