// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package duration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckAll(t *testing.T) {
	require.NoError(t, CheckAll())
	require.NoError(t, CheckAll(Key{"settle", 0}, Key{"hold", time.Millisecond}))
	assert.EqualError(t, CheckAll(Key{"settle", -time.Second}, Key{"hold", time.Hour}, Key{"idle", 5}),
		"settle: -1s is negative\nidle: 5ns is shorter than 1ms; write a unit, for example 5s")
}

func TestRequireAll(t *testing.T) {
	require.NoError(t, RequireAll("5s", Key{"idle_gap", time.Millisecond}))
	assert.EqualError(t, RequireAll("5s", Key{"a", 0}, Key{"b", -time.Second}, Key{"c", 7}),
		"a: 0s is no time to wait; write for example 5s\nb: -1s is no time to wait; write for example 5s\nc: 7ns is shorter than 1ms; write a unit, for example 7s")
}
