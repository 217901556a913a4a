// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOlderRecordsHaveNoPhases, and a newer one has fields and phases that are skipped.
func TestOlderRecordsHaveNoPhases(t *testing.T) {
	e := fullEnd()
	e.Phases = nil
	older := AppendEnd(nil, e)
	r, err := Decode(older)
	require.NoError(t, err)
	assert.Equal(t, e, r.End)

	e.Phases = []Part{
		{Phase: PhaseVerify}, // took no time: left out
		{Phase: PhaseStore, Start: e.Time - 500, End: e.Time - 100, Duration: 300},
		{Phase: Phases + 3, Start: e.Time - 90, End: e.Time, Duration: 20},
	}
	newer := AppendEnd(nil, e)
	newer = append(newer, 200, 3, 0, 'n', 'e', 'w')
	r, err = Decode(newer)
	require.NoError(t, err)
	assert.Equal(t, e.Phases[1:2], r.End.Phases)

	e.Phases = []Part{{Phase: PhaseVerify}}
	assert.Equal(t, older, AppendEnd(nil, e), "nothing to say is nothing in the record")
}

// TestPhasesThatCannotBe: numbers that no clock gives are no record.
func TestPhasesThatCannotBe(t *testing.T) {
	e := &End{Time: 1000}
	for name, p := range map[string]Part{
		"beyond the largest time": {Phase: PhaseStore, Start: 1000, End: 1 << 62, Duration: -1 << 63},
		"one after the end":       {Phase: PhaseStore, Start: 5000, End: 6000, Duration: 10},
	} {
		e.Phases = []Part{p}
		r, err := Decode(AppendEnd(nil, e))
		require.NoError(t, err, name)
		for _, got := range r.End.Phases {
			assert.LessOrEqual(t, got.Start, e.Time, name)
			assert.GreaterOrEqual(t, got.Duration, time.Duration(0), name)
		}
	}
	_, err := Decode(append(AppendEnd(nil, &End{}), endPhases, 2, 0, 1))
	require.ErrorIs(t, err, ErrRecord, "a field that is cut off")
	_, err = Decode(append(AppendEnd(nil, &End{}), endPhases, 2, 0, 1, 0x80))
	require.ErrorIs(t, err, ErrRecord, "a part that is cut off")
}

func TestEachPhaseHasAName(t *testing.T) {
	seen := map[string]bool{}
	for p := range Phases {
		assert.NotEmpty(t, p.String())
		assert.False(t, seen[p.String()], p.String())
		seen[p.String()] = true
	}
	assert.Empty(t, Phases.String())
}
