// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heard keeps what it is told, as a failing test would.
type heard struct{ witness }

func (h *heard) Errorf(format string, args ...any) { h.remember(format, args...) }

func TestFailuresInBrief(t *testing.T) {
	h := &heard{witness{T: t}}
	assert.Less(h, 3, 2, "the port answers again; a plain start took %v", 1)
	assert.Equal(h, 3, 2, "as many documents as lines")
	assert.Fail(h, "series went back", "%d times, the first: %s", 2, "a: from 1 to 0")
	h.remember("modtap: %v\nlast output: Error", "not ready")
	require.Equal(t, []string{
		`"3" is not less than "2" the port answers again; a plain start took 1`,
		"Not equal: expected: 3 actual  : 2 as many documents as lines",
		"series went back 2 times, the first: a: from 1 to 0",
		"modtap: not ready last output: Error",
	}, h.failures)
}
