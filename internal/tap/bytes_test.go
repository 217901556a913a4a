// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/heavy"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/session/summary"
	"github.com/modtap/modtap/internal/signal"
)

// fat is the i-th of the exchanges that a hostile client makes up: each text is as
// long as a header can be, and no two are alike.
func fat(i int, at exchange.Time) (begin, end []byte) {
	long := func(what string) string { return fmt.Sprintf("%s%d%s", what, i, strings.Repeat("x", 1500)) }
	id := func(n int) (b [8]byte) { return [8]byte{1, byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)} }
	var trace exchange.TraceID
	span := id(i)
	copy(trace[:], span[:])
	b := exchange.Begin{
		ID: uint64(i) + 1, Time: at, Method: "GET", Scheme: "http", Protocol: "1.1",
		Path:          fmt.Sprintf("/example.com/m%d/%s/@v/v1.0.0.info", i, strings.Repeat("y", 4000)),
		ServerAddress: long("host"), UserAgent: long("agent"),
		Client:  exchange.Client{Address: long("address"), Name: long("name")},
		Span:    exchange.Span{TraceID: trace, SpanID: span, State: strings.Repeat(fmt.Sprintf("k%d=v,", i), 100)},
		Session: exchange.Session{ID: trace, Root: span},
		CI:      exchange.CI{System: long("ci"), Pipeline: long("a"), PipelineRun: long("b"), PipelineURL: long("c"), Job: long("d"), JobRun: long("e"), JobURL: long("f")},
	}
	e := exchange.End{ID: b.ID, Time: at + 1, FirstByte: at + 1, Status: 404, BodySize: 10, Answer: []byte(long("not found"))}
	if i%3 == 0 {
		e.Status, e.Disposition = 200, exchange.ClientGone
	}
	return exchange.AppendBegin(nil, &b), exchange.AppendEnd(nil, &e)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestHostileTextsAreBoundedInBytes is case 20 without the wire: 5,000 requests a
// second, for as long as sessions, windows and habits are remembered.
func TestHostileTextsAreBoundedInBytes(t *testing.T) {
	const perSecond, seconds = 5000, 7
	settings := session.Settings{IdleGap: 5 * time.Second, MaxDuration: time.Hour, MaxOpen: 100_000}
	hitters := heavy.New(heavy.Settings{Series: 100})
	tracker := summary.NewTracker(settings, func(*session.Closed) {})
	settler := cache.NewSettler(2*time.Second, cache.JoinSettings{Egress: true, Memory: 24 * time.Hour}, func(x cache.Settled) {
		request := goproxy.Parse(x.Begin.Path)
		tracker.Settled(&x)
		hitters.Add(request.Module, "hit", heavy.Value{Requests: 1}, x.End.Time)
		hitters.Add(x.Begin.Client.Name, "hit", heavy.Value{Requests: 1}, x.End.Time)
	})
	before, most := heap(), int64(0)
	for i := range perSecond * seconds {
		at := exchange.Time(i) * exchange.Time(time.Second/perSecond)
		begin, end := fat(i, at+1)
		for _, record := range [][]byte{begin, end} {
			r, err := exchange.Decode(record)
			require.NoError(t, err)
			settler.Add(r)
			tracker.Add(r)
		}
		if i%perSecond == perSecond-1 {
			most = max(most, heap()-before)
		}
	}
	t.Logf("memory: %d MiB", most>>20)
	assert.Less(t, most, int64(64<<20))
	kept := 0
	for name, state := range map[string]interface{ MarshalBinary() ([]byte, error) }{"settler": settler, "tracker": tracker} {
		data, err := state.MarshalBinary()
		require.NoError(t, err)
		t.Logf("checkpoint, %s: %d KiB", name, len(data)>>10)
		kept += len(data)
	}
	assert.Less(t, kept, 26<<20)
	runtime.KeepAlive(hitters)
}

// TestAQueueIsBoundedInBytes: what a slow consumer doesn't take waits in the journal.
func TestAQueueIsBoundedInBytes(t *testing.T) {
	q := newQueue()
	filling, full := make(chan struct{}), 0
	go func() {
		defer close(filling)
		for i := range 20_000 {
			begin, end := fat(i, 1)
			b, err := exchange.Decode(begin)
			assert.NoError(t, err)
			e, err := exchange.Decode(end)
			assert.NoError(t, err)
			q.add(queued{place: place{seq: uint64(i)}, told: &signal.Told{Settled: cache.Settled{Begin: b.Begin, End: e.End}}})
		}
	}()
	require.Eventually(t, func() bool {
		was := full
		full, _ = q.waiting()
		return full > 0 && full == was
	}, time.Minute, 200*time.Millisecond)
	assert.Less(t, full, 5000)
	assert.Less(t, q.bytes, int64(maxQueueBytes+64<<10))
	for range 100 {
		q.take(maxBatch)
		time.Sleep(time.Millisecond)
	}
	q.leave()
	<-filling
	assert.Zero(t, q.bytes)
}
