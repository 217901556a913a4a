// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

func TestTableGoesOnWhereItWasSaved(t *testing.T) {
	secret := []byte("secret")
	remote := exchange.Span{TraceID: exchange.TraceID{7}, SpanID: exchange.SpanID{8}, State: "modtap=root"}
	saved := func(over bool) (*Table, exchange.Session) {
		table := NewTable(settings, secret)
		_, s, _ := table.Choose(start, someone, none) // still in flight
		once(table, start, Key{}, remote)
		data, err := table.Save(at(time.Second), over)
		require.NoError(t, err)
		again := NewTable(settings, secret)
		require.NoError(t, again.Restore(data))
		return again, s
	}

	table, before := saved(false)
	assert.Equal(t, 2, table.Len())
	_, s := once(table, at(time.Second+gap-1), someone, none)
	assert.Equal(t, before, s, "a crash ends no session")

	table, before = saved(true)
	_, s = once(table, at(time.Second), someone, none)
	assert.NotEqual(t, before.ID, s.ID, "it has been told")
	_, s = once(table, at(time.Minute), Key{}, remote)
	assert.NotEqual(t, remote.SpanID, s.Root, "this root has been told")
	assert.Equal(t, remote.SpanID, s.RootParent)

	other := NewTable(settings, []byte("another secret"))
	require.Error(t, other.Restore([]byte("x")))
}
