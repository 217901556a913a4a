// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

const (
	gap   = 5 * time.Second
	start = exchange.Time(1_700_000_000_000_000_000)
)

var (
	settings = Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: 1000}
	someone  = Key{Address: netip.MustParseAddr("192.0.2.1"), UserAgent: "Go-http-client/1.1"}
	none     exchange.Span
)

const (
	modA  = "/example.com/a/@v/v1.0.0.mod"
	zipB  = "/example.com/b/@v/v2.0.0+incompatible.zip"
	listC = "/example.com/c/@v/list"
)

// at is that long after start.
func at(d time.Duration) exchange.Time { return start.Add(d) }

// once is a request that takes no time.
func once(t *Table, now exchange.Time, key Key, remote exchange.Span) (exchange.Span, exchange.Session) {
	span, s, o := t.Choose(now, key, remote)
	o.Done(now)
	return span, s
}

func TestRequestsLessThanAGapApartAreOneSession(t *testing.T) {
	table := NewTable(settings, nil)
	first, s := once(table, start, someone, none)
	assert.True(t, s.Inferred)
	assert.Equal(t, first.TraceID, s.ID)
	assert.Equal(t, s.Root, first.ParentID)
	assert.Zero(t, s.RootParent)
	assert.NotZero(t, s.Root)

	next, same := once(table, at(gap-1), someone, none)
	assert.Equal(t, s, same)
	assert.Equal(t, first.ParentID, next.ParentID)
	assert.NotEqual(t, first.SpanID, next.SpanID)

	_, other := once(table, at(2*gap-1), someone, none)
	assert.NotEqual(t, s.ID, other.ID, "a whole gap after the last end")
	assert.NotEqual(t, s.Root, other.Root)
}

func TestTheGapRunsFromTheEndOfTheLastRequestInFlight(t *testing.T) {
	table := NewTable(settings, nil)
	_, s, long := table.Choose(start, someone, none)
	_, short := once(table, at(time.Second), someone, none)
	assert.Equal(t, s, short)
	_, meanwhile := once(table, at(10*gap), someone, none)
	assert.Equal(t, s, meanwhile, "a long download doesn't split it")
	long.Done(at(20 * gap))
	_, after := once(table, at(21*gap-1), someone, none)
	assert.Equal(t, s, after)
}

func TestWhatTellsClientsApart(t *testing.T) {
	table := NewTable(settings, nil)
	seen := map[exchange.TraceID]bool{}
	for _, key := range []Key{
		someone,
		{Address: netip.MustParseAddr("192.0.2.2"), UserAgent: someone.UserAgent},
		{Address: someone.Address, UserAgent: "GoCommand/1"},
		{Address: someone.Address, UserAgent: someone.UserAgent, Identity: "ann"},
		{Address: someone.Address, UserAgent: someone.UserAgent, Identity: "bob"},
		{},
	} {
		_, s := once(table, start, key, none)
		seen[s.ID] = true
	}
	assert.Len(t, seen, 6)
}

func TestClientsBehindOneAddressAreNoEndlessSession(t *testing.T) {
	table := NewTable(settings, nil)
	sessions := map[exchange.TraceID]bool{}
	var flying *Use
	for now := time.Duration(0); now < 10*time.Hour; now += time.Second {
		_, s, o := table.Choose(at(now), someone, none)
		sessions[s.ID] = true
		if flying != nil {
			flying.Done(at(now)) // one is always in flight
		}
		flying = &o
	}
	assert.Len(t, sessions, 10)
	flying.Done(at(10 * time.Hour))
	assert.Equal(t, 1, table.Len())
}

func TestClientsTraceContextWins(t *testing.T) {
	table := NewTable(settings, nil)
	span, s := once(table, start, someone, client)
	assert.Equal(t, exchange.Session{ID: client.TraceID}, s, "a foreign parent stays the parent: no root of ours")
	assert.Equal(t, client.SpanID, span.ParentID)
	assert.Equal(t, client.Flags, span.Flags)
	assert.Equal(t, client.State, span.State)

	child := client
	child.SpanID = exchange.SpanID{1}
	agent := someone
	agent.UserAgent = "another"
	span, s = once(table, start, agent, child)
	assert.Equal(t, child.SpanID, span.ParentID)
	assert.Equal(t, client.TraceID, s.ID)
}

func TestMarkedParentIsARootOfOurs(t *testing.T) {
	table := NewTable(settings, nil)
	marked := client
	marked.State, marked.Flags = "modtap=root", 1
	span, s := once(table, start, someone, marked)
	assert.Equal(t, exchange.Session{ID: client.TraceID, Root: client.SpanID}, s)
	assert.Equal(t, client.SpanID, span.ParentID)
	assert.Empty(t, span.State, "another Modtap upstream mustn't tell the root again")
	assert.Equal(t, byte(1), span.Flags)

	_, same := once(table, at(gap-1), someone, marked)
	assert.Equal(t, s, same)

	// The root was told after the gap: what comes later is a part below it.
	span, part := once(table, at(3*gap), someone, marked)
	assert.Equal(t, client.TraceID, part.ID)
	assert.Equal(t, client.SpanID, part.RootParent)
	assert.NotEqual(t, client.SpanID, part.Root)
	assert.Equal(t, part.Root, span.ParentID)
	for range 100 { // others' sessions don't push it out before its time
		once(table, at(4*gap), Key{Identity: fmt.Sprint(NewSpanID())}, none)
	}
	_, later := once(table, at(5*gap), someone, marked)
	assert.NotEqual(t, client.SpanID, later.Root)
}

func TestMemoryIsBoundedWithManyClients(t *testing.T) {
	const clients = 100_000
	for name, tt := range map[string]struct {
		step  time.Duration // between two clients
		limit int
		want  int // sessions remembered at most
	}{
		"all at once":               {0, 1000, 1024},
		"room for all":              {0, clients, clients},
		"over time, with much room": {time.Millisecond, clients, 6_000},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable(Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: tt.limit}, nil)
			for i := range clients {
				now := at(time.Duration(i) * tt.step)
				_, _, o := table.Choose(now, Key{Address: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}, none)
				o.Done(now)
				if i%1000 == 0 {
					require.LessOrEqual(t, table.Len(), tt.want)
				}
			}
			assert.LessOrEqual(t, table.Len(), tt.want)
			assert.Greater(t, table.Len(), tt.want/2)
		})
	}
}

// TestMemoryOfASession prints what one costs; a long header is not kept.
func TestMemoryOfASession(t *testing.T) {
	const n = 100_000
	table := NewTable(Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: n}, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		once(table, start, Key{UserAgent: fmt.Sprintf("%d%01000d", i, 0)}, none)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / n
	t.Logf("%d bytes a session", each)
	assert.Less(t, each, uint64(300))
	runtime.KeepAlive(table)
}

func TestLongestIdleGoFirst(t *testing.T) {
	table := NewTable(Settings{IdleGap: time.Hour, MaxDuration: time.Hour, MaxOpen: 1}, nil) // one a shard
	_, s, flying := table.Choose(start, someone, none)
	for i := range 1000 {
		once(table, at(time.Duration(i)), Key{Identity: strconv.Itoa(i)}, none)
	}
	assert.LessOrEqual(t, table.Len(), shards+1)
	_, same := once(table, at(time.Second), someone, none)
	assert.Equal(t, s, same, "what is in flight stays")
	flying.Done(at(time.Second))
}

func TestConcurrentUse(t *testing.T) {
	table := NewTable(settings, nil)
	var wg sync.WaitGroup
	ids := make([]exchange.TraceID, 8)
	for i := range ids {
		wg.Go(func() {
			for n := range 2000 {
				_, s, o := table.Choose(start, someone, none)
				ids[i] = s.ID
				once(table, start, Key{Identity: fmt.Sprint(i, n)}, none)
				o.Done(start)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		assert.Equal(t, ids[0], id)
	}
	for i := range table.shards {
		s := &table.shards[i]
		n := 0
		for o := s.idle.next; o != &s.idle; o = o.next {
			assert.Zero(t, o.inFlight)
			n++
		}
		assert.Len(t, s.open, n, "all are idle now")
	}
}

func BenchmarkChoose(b *testing.B) {
	table := NewTable(Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: 100_000}, nil)
	marked := client
	marked.State = "modtap=root"
	now := start
	for name, remote := range map[string]exchange.Span{"inferred": none, "foreign": client, "marked": marked} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, o := table.Choose(now, someone, remote)
				o.Done(now)
			}
		})
	}
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			now = now.Add(gap)
			_, _, o := table.Choose(now, someone, none)
			o.Done(now)
		}
	})
}
