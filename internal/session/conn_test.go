// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// over is the client that asks for path on a connection.
func over(c *Conn, path string) Key {
	key := someone
	key.Conn, key.Request = c, goproxy.Parse(path)
	return key
}

// TestOneConnectionIsOneCommandOverHTTP2: whatever many clients behind one address ask
// for and however long they are quiet, over HTTP/2 a connection is a session.
func TestOneConnectionIsOneCommandOverHTTP2(t *testing.T) {
	table := NewTable(settings, nil)
	conns, ids := make([]*Conn, 20), make([]exchange.TraceID, 20)
	seen := map[exchange.TraceID]bool{}
	for i := range conns {
		conns[i] = table.Connected(at(time.Duration(i)), someone.Address)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 2000 {
		i := r.IntN(len(conns))
		key := over(conns[i], fmt.Sprintf("/example.com/m%d/@v/v1.0.0.zip", r.IntN(5)))
		key.UserAgent, key.Streams = "Go-http-client/2.0", true
		_, s := once(table, at(time.Duration(n)*time.Second), key, none)
		assert.True(t, s.Held)
		if ids[i] == (exchange.TraceID{}) {
			ids[i] = s.ID
		}
		require.Equal(t, ids[i], s.ID)
		seen[s.ID] = true
	}
	assert.Len(t, seen, len(conns))
	for i, c := range conns {
		assert.Equal(t, ids[i], c.Closed(at(time.Hour)).ID)
	}
	assert.Zero(t, later(table, at(time.Hour+gap)).Len())
}

// TestAnOpenConnectionSplitsNothing: a session lasts as long as a connection of its own.
func TestAnOpenConnectionSplitsNothing(t *testing.T) {
	for _, streams := range []bool{false, true} {
		table := NewTable(settings, nil)
		c := table.Connected(start, someone.Address)
		key := over(c, modA)
		key.Streams = streams
		once(table, start, key, none)
		_, first := once(table, start, key, none)
		key.Request = goproxy.Parse(zipB)
		_, same := once(table, at(10*gap), key, none)
		assert.Equal(t, first, same)
		assert.Equal(t, first.Root, c.Closed(at(11*gap)).Root)
		key.Conn = table.Connected(at(11*gap), someone.Address)
		key.Request = goproxy.Parse("/example.com/a/@v/v1.1.0.mod")
		_, other := once(table, at(11*gap), key, none)
		assert.NotEqual(t, first.ID, other.ID, "the command is over")
	}
}

// TestAnOpenConnectionHoldsATrace: the same of a client's own trace.
func TestAnOpenConnectionHoldsATrace(t *testing.T) {
	table := NewTable(settings, nil)
	marked := client
	marked.State = "modtap=root"
	c := table.Connected(start, someone.Address)
	once(table, start, over(c, modA), marked)
	_, first := once(table, start, over(c, modA), marked)
	assert.True(t, first.Held)
	_, same := once(table, at(10*gap), over(c, zipB), marked)
	assert.Equal(t, first, same, "no later part of it")
	assert.Equal(t, first.ID, c.Closed(at(10*gap)).ID)
	_, later := once(table, at(12*gap), over(table.Connected(at(12*gap), someone.Address), zipB), marked)
	assert.Equal(t, marked.SpanID, later.RootParent)
}

// TestALonelyRequestIsTold: it isn't held back for its connection; what follows on that
// is in the same session, as another part of it.
func TestALonelyRequestIsTold(t *testing.T) {
	table := NewTable(settings, nil)
	c := table.Connected(start, someone.Address)
	_, first := once(table, start, over(c, modA), none)
	_, part := once(table, at(gap), over(c, zipB), none)
	assert.Equal(t, first.ID, part.ID)
	assert.Equal(t, first.Root, part.RootParent)
	assert.NotEqual(t, first.Root, part.Root)
	_, same := once(table, at(gap), over(c, listC), none)
	assert.Equal(t, part, same)
	_, same = once(table, at(9*gap), over(c, listC), none)
	assert.Equal(t, part, same)
}

// TestAJobIsQuietForAWhile: requests of one CI job belong together over a longer pause,
// with a trace context or without.
func TestAJobIsQuietForAWhile(t *testing.T) {
	for _, remote := range []exchange.Span{none, {TraceID: exchange.TraceID{1}, SpanID: exchange.SpanID{2}, State: "modtap=root"}} {
		table := NewTable(settings, nil)
		key := someone
		key.Job = "gitlab 4712"
		_, first := once(table, start, key, remote)
		_, same := once(table, at(8*time.Second), key, remote)
		assert.Equal(t, first, same)
		data, err := table.Save(at(9*time.Second), false)
		require.NoError(t, err)
		table = NewTable(settings, nil)
		require.NoError(t, table.Restore(data))
		_, same = once(table, at(8*time.Second+JobGap-1), key, remote)
		assert.Equal(t, first, same, "after a restart too")
		if key.Job = "gitlab 4713"; remote.IsZero() {
			_, other := once(table, at(9*time.Second), key, remote)
			assert.NotEqual(t, first.ID, other.ID, "another job")
		}
	}
}

// TestACommandGoesOnAfterARestart: its connections are gone with the process; what it
// asks for on another one is its own unless that says otherwise.
func TestACommandGoesOnAfterARestart(t *testing.T) {
	for path, same := range map[string]bool{
		"/example.com/z/@v/v1.0.0.mod": true,
		modA:                           false, // it has that
		"/sumdb/sum.golang.org/lookup/example.com/a@v1.0.0": true,
		"/sumdb/sum.golang.org/lookup/example.com/x@v1.0.0": false, // it doesn't have that module
	} {
		table := NewTable(settings, []byte("secret"))
		_, first := once(table, start, over(table.Connected(start, someone.Address), modA), none)
		data, err := table.Save(at(time.Minute), false)
		require.NoError(t, err)
		table = NewTable(settings, []byte("secret"))
		require.NoError(t, table.Restore(data))
		when := at(time.Minute + time.Second)
		_, s := once(table, when, over(table.Connected(when, someone.Address), path), none)
		assert.Equal(t, same, s.ID == first.ID, path)
		data, err = table.Save(when, true)
		require.NoError(t, err)
		table = NewTable(settings, []byte("secret"))
		require.NoError(t, table.Restore(data))
		assert.Zero(t, table.Len(), "a stop ends all of them")
	}
}

// TestAConnectionThatWasBrokenOff: a command whose only connection we lost comes back
// with another one.
func TestAConnectionThatWasBrokenOff(t *testing.T) {
	for _, broke := range []bool{false, true} {
		table := NewTable(settings, nil)
		c := table.Connected(start, someone.Address)
		_, first, use := table.Choose(start, over(c, modA), none)
		if broke {
			use.Broke()
		}
		c.Closed(at(time.Second))
		use.Done(at(time.Second))
		_, s := once(table, at(2*time.Second), over(table.Connected(at(2*time.Second), someone.Address), "/example.com/b/@v/v2.0.0.mod"), none)
		assert.Equal(t, broke, s.ID == first.ID)
	}
}

// TestProofOfAnotherCommand: a connection is the running command's as long as nothing
// proves that it isn't; then it is another one's, with what it asked for.
func TestProofOfAnotherCommand(t *testing.T) {
	const supported, other = "/sumdb/sum.golang.org/supported", "/example.com/z/@v/v1.0.0.mod"
	table := NewTable(settings, nil)
	connect := func(d time.Duration) *Conn { return table.Connected(at(d), someone.Address) }
	c := connect(0)
	_, first := once(table, start, over(c, modA), none)
	_, same := once(table, at(time.Second), over(c, modA), none)
	assert.Equal(t, first.ID, same.ID, "the connection is one client's")
	once(table, at(time.Second), over(c, supported), none)
	_, second := once(table, at(2*time.Second), over(connect(2*time.Second), modA), none)
	assert.NotEqual(t, first.ID, second.ID, "it has that")

	table = NewTable(settings, nil)
	c = connect(0)
	_, first = once(table, start, over(c, modA), none)
	once(table, start, over(c, supported), none)
	d, e := connect(time.Second), connect(time.Second)
	for x, path := range map[*Conn]string{d: other, e: zipB} {
		_, s := once(table, at(time.Second), over(x, path), none)
		assert.Equal(t, first.ID, s.ID)
	}
	_, second = once(table, at(time.Second), over(d, supported), none)
	assert.NotEqual(t, first.ID, second.ID)
	_, s := once(table, at(time.Second), over(e, "/example.com/y/@v/v1.0.0.mod"), none)
	assert.Equal(t, second.ID, s.ID, "it came together with that")
	_, s = once(table, at(time.Second), over(c, other), none)
	assert.Equal(t, first.ID, s.ID, "the other one had asked for it")
}

// TestAnErrorIsNoFile: what a command wasn't given it may ask for again, and many a one
// closes its connection for it.
func TestAnErrorIsNoFile(t *testing.T) {
	for pause, same := range map[time.Duration]bool{backFor / 2: true, 2 * backFor: false} {
		table := NewTable(settings, nil)
		c := table.Connected(start, someone.Address)
		_, first, use := table.Choose(start, over(c, modA), none)
		use.Failed()
		use.Done(start)
		c.Closed(start)
		_, s := once(table, at(pause), over(table.Connected(at(pause), someone.Address), modA), none)
		assert.Equal(t, same, s.ID == first.ID, pause)
		use.Failed() // too late, and harmless
	}
}

// TestACommandUsesItsConnections: one that has had idle ones for long doesn't dial.
func TestACommandUsesItsConnections(t *testing.T) {
	for pause, same := range map[time.Duration]bool{gap - 1: true, gap: false} {
		table := NewTable(settings, nil)
		_, first := once(table, start, over(table.Connected(start, someone.Address), modA), none)
		_, s := once(table, at(pause), over(table.Connected(at(pause), someone.Address), zipB), none)
		assert.Equal(t, same, s.ID == first.ID, pause)
	}
}

// TestABurstAfterAPause: of a command that was quiet for long, which asks on what it has
// and dials the rest.
func TestABurstAfterAPause(t *testing.T) {
	for _, answered := range []bool{false, true} {
		table := NewTable(settings, nil)
		c := table.Connected(start, someone.Address)
		once(table, start, over(c, modA), none)
		_, first := once(table, start, over(c, listC), none)
		d := table.Connected(at(2*gap), someone.Address)
		_, _, use := table.Choose(at(2*gap), over(c, zipB), none)
		if answered {
			use.Done(at(2 * gap))
		}
		_, s := once(table, at(2*gap), over(d, "/example.com/y/@v/v1.0.0.mod"), none)
		assert.Equal(t, first.ID, s.ID)
	}
}

// TestASpareConnection: a command dials more than it needs, and closes those that it has
// asked on first.
func TestASpareConnection(t *testing.T) {
	table := NewTable(settings, nil)
	c, spare := table.Connected(start, someone.Address), table.Connected(at(time.Millisecond), someone.Address)
	_, first := once(table, at(time.Millisecond), over(c, modA), none)
	c.Closed(at(2 * time.Millisecond))
	_, same := once(table, at(40*time.Millisecond), over(spare, zipB), none)
	assert.Equal(t, first.ID, same.ID)
	spare.Closed(at(time.Second))
	_, other := once(table, at(2*time.Second), over(table.Connected(at(2*time.Second), someone.Address), listC), none)
	assert.NotEqual(t, first.ID, other.ID)
}

// TestConnectionsThatSayNothing: those of other clients than Go's, and those on which
// several clients ask.
func TestConnectionsThatSayNothing(t *testing.T) {
	table := NewTable(settings, nil)
	ids := map[exchange.TraceID]bool{}
	for range 10 {
		key := over(table.Connected(start, someone.Address), modA)
		key.UserAgent = "curl/8"
		_, s := once(table, start, key, none)
		assert.False(t, s.Held)
		ids[s.ID] = true
	}
	assert.Len(t, ids, 1)

	clear(ids)
	c := table.Connected(start, someone.Address)
	for n := range 30 {
		key := over(c, fmt.Sprintf("/example.com/m%d/@v/v1.0.0.mod", n))
		key.Identity = strconv.Itoa(n % 3)
		_, s := once(table, start, key, none)
		ids[s.ID] = true
	}
	assert.Len(t, ids, 3)
}

// TestEvidenceIsBounded: whatever clients ask for, on however many connections.
func TestEvidenceIsBounded(t *testing.T) {
	table := NewTable(settings, nil)
	var conns []*Conn
	for n := range 300 {
		c := table.Connected(at(time.Duration(n)*time.Second), someone.Address)
		conns = append(conns, c)
		for i := range 200 {
			once(table, at(time.Duration(n)*time.Second), over(c, fmt.Sprintf("/example.com/m%d-%d/@v/v1.0.0.mod", n, i)), none)
		}
	}
	s := conns[0].shard
	assert.LessOrEqual(t, s.asked, maxAskedShard)
	for _, crowd := range s.crowds {
		assert.LessOrEqual(t, len(crowd.commands), maxCrowd)
	}
	data, err := table.Save(at(time.Hour), false)
	require.NoError(t, err)
	assert.Less(t, len(data), 10*maxAskedShard+300*maxCrowd)
	for range 2 * maxFresh {
		table.Connected(start, someone.Address)
	}
	assert.Len(t, s.fresh, maxFresh)
	for _, c := range conns {
		c.Closed(at(time.Hour))
	}
	assert.Zero(t, later(table, at(2*time.Hour)).Len())
	assert.Zero(t, s.asked)
	assert.Empty(t, s.crowds)
}

func TestConnectionsFromManyGoroutines(t *testing.T) {
	table := NewTable(Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: 1}, nil)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range 200 {
				c := table.Connected(start, someone.Address)
				key := over(c, modA)
				key.Streams = r.IntN(2) == 0
				for range r.IntN(5) {
					remote := none
					if r.IntN(3) == 0 {
						remote = exchange.Span{TraceID: exchange.TraceID{1, byte(r.IntN(4))}, SpanID: exchange.SpanID{1}}
					}
					key.Request.Module = fmt.Sprint("example.com/", r.IntN(50))
					_, _, use := table.Choose(start, key, remote)
					if r.IntN(5) == 0 {
						use.Broke()
					}
					use.Done(start)
				}
				c.Closed(start)
			}
		})
	}
	wg.Wait()
	for i := range table.shards {
		s := &table.shards[i]
		assert.Len(t, s.open, len(ring(s)), "nothing is held any more")
	}
}

// later is the table once it has forgotten what is over by then.
func later(table *Table, now exchange.Time) *Table {
	for i := range table.shards {
		s := &table.shards[i]
		for before := -1; before != len(s.open); {
			before = len(s.open)
			s.trim(now, table)
		}
	}
	return table
}

func ring(s *shard) (all []*Open) {
	for o := s.idle.next; o != &s.idle; o = o.next {
		all = append(all, o)
	}
	return all
}

func BenchmarkConnections(b *testing.B) {
	paths := make([]goproxy.Request, 50)
	for i := range paths {
		paths[i] = goproxy.Parse(fmt.Sprintf("/example.com/m%d/@v/v1.0.0.mod", i))
	}
	b.Run("next request", func(b *testing.B) {
		table := NewTable(settings, nil)
		key := over(table.Connected(start, someone.Address), modA)
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			key.Request = paths[n%len(paths)]
			_, _, use := table.Choose(start, key, none)
			use.Done(start)
		}
	})
	b.Run("new connection among 40 commands", func(b *testing.B) {
		table := NewTable(settings, nil)
		for i := range 40 {
			c := table.Connected(at(time.Duration(i)*time.Second), someone.Address)
			for range 50 {
				once(table, at(time.Duration(i)*time.Second), over(c, fmt.Sprintf("/example.com/m%d-%d/@v/v1.0.0.mod", i, i)), none)
			}
		}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			c := table.Connected(at(time.Minute), someone.Address)
			key := over(c, modA)
			key.Request = paths[n%len(paths)]
			_, _, use := table.Choose(at(time.Minute), key, none)
			use.Done(at(time.Minute))
			c.Closed(at(time.Minute))
		}
	})
}
