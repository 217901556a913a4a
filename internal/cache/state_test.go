// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// TestStateKeepsHabitsAndDownloads: a probe, a twin and a resumed download are
// recognised by what was known before the state was taken over.
func TestStateKeepsHabitsAndDownloads(t *testing.T) {
	var got []Verdict
	newSettler := func() *Settler {
		return NewSettler(0, JoinSettings{}, func(x Settled) { got = append(got, x.Verdict) })
	}
	settler := newSettler()
	now := exchange.Time(time.Second)
	play := func(id uint64, path string, e exchange.End) {
		v := visit{at: now / ms, client: "x", scheme: "h2", path: path}
		b := v.begin(id)
		b.Span = span(path)
		settler.Add(exchange.Record{Kind: exchange.KindBegin, Time: now, Begin: b})
		now += 10 * ms
		e.ID, e.Time, e.FirstByte = id, now, now
		settler.Add(exchange.Record{Kind: exchange.KindEnd, Time: now, End: &e})
	}
	const list = "/example.com/@v/list"
	play(1, list, exchange.End{Status: 404})
	got = nil
	play(2, zip, exchange.End{Status: 200, BodySize: 10, Disposition: exchange.ClientGone})
	settler.Add(exchange.Record{Kind: exchange.KindBegin, Time: now, Begin: &exchange.Begin{ID: 9, Time: now, Path: mod, Request: goproxy.Parse(mod)}})

	state, err := settler.MarshalBinary()
	require.NoError(t, err)
	settler = newSettler()
	require.NoError(t, settler.UnmarshalBinary(state))
	assert.Equal(t, 1, settler.Open())

	play(3, list, exchange.End{Status: 404})
	play(4, "/example.com/a/b/@v/list", exchange.End{Status: 200})
	play(6, "/example.com/a/@v/list", exchange.End{Status: 404})
	play(5, zip, exchange.End{Status: 206, BodySize: 10})
	require.Len(t, got, 5)
	assert.Equal(t, RetryTwin, got[1].Outcome)
	assert.Equal(t, Probe, got[3].Outcome)
	assert.Equal(t, span(zip), got[4].Resumes)

	settler.Add(exchange.Record{Kind: exchange.KindStart, Time: now, Start: exchange.Start{Run: "next"}})
	require.Len(t, got, 6)
	assert.Equal(t, Interrupted, got[5].Outcome)
}

func TestStateThatIsNone(t *testing.T) {
	for _, data := range [][]byte{nil, []byte("x"), make([]byte, 100)} {
		require.Error(t, NewSettler(0, JoinSettings{}, nil).UnmarshalBinary(data))
	}
}
