// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package eventid

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRoundTrip(t *testing.T) {
	began := time.UnixMilli(1_700_000_000_123)
	id := ID{Run: NewRun(began), Number: 1<<40 - 1}
	got, ok := Parse(id.String())
	require.True(t, ok)
	assert.Equal(t, id, got)
	assert.Equal(t, began, got.Began())
	assert.Equal(t, "018bcfe5687b00000000-000000002a", ID{Run: "018bcfe5687b00000000", Number: 42}.String())
}

func TestRunsSort(t *testing.T) {
	at := time.UnixMilli(1)
	for _, later := range []time.Duration{time.Millisecond, time.Hour, 200 * 365 * 24 * time.Hour} {
		assert.Less(t, NewRun(at), NewRun(at.Add(later)))
	}
}

func TestOfAnotherMaking(t *testing.T) {
	for _, text := range []string{
		"", "-", "000000002a", "-000000002a", "018bcfe5687b00000000-2a", "018bcfe5687b00000000_000000002a", "018BCFE5687B00000000-000000002a",
		"018bcfe5687-000000002a", "018bcfe5687b00000000-00000000 a", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0-000000002a",
	} {
		_, ok := Parse(text)
		assert.False(t, ok, text)
	}
	assert.Zero(t, ID{}.Began())
	assert.Zero(t, ID{Run: "no digits here"}.Began())
}
