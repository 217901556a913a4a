// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package summary

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/session"
)

// journal feeds records to a settler and a tracker as the engine does.
type journal struct {
	settler *cache.Settler
	tracker *Tracker
	closed  []*session.Closed
	records []exchange.Record
	ids     uint64
}

func newJournal(s session.Settings) *journal {
	j := &journal{}
	j.tracker = NewTracker(s, func(c *session.Closed) { j.closed = append(j.closed, c) })
	j.settler = cache.NewSettler(time.Second, cache.JoinSettings{Egress: true}, func(x cache.Settled) {
		j.tracker.Settled(&x)
	})
	j.add(exchange.Record{Kind: exchange.KindStart, Time: start})
	return j
}

func (j *journal) add(r exchange.Record) {
	j.records = append(j.records, r)
	j.settler.Add(r)
	j.tracker.Add(r)
}

func (j *journal) begin(now exchange.Time, path string, s exchange.Session) *exchange.Begin {
	j.ids++
	b := &exchange.Begin{
		ID: j.ids, Time: now, Method: "GET", Path: path, Request: goproxy.Parse(path), Session: s, UserAgent: "agent", Client: exchange.Client{Name: "ann"},
		Span: exchange.Span{TraceID: s.ID, SpanID: session.NewSpanID(), ParentID: s.Root, Flags: 1}, CI: exchange.CI{System: "gitlab"},
	}
	j.add(exchange.Record{Kind: exchange.KindBegin, Time: now, Begin: b})
	return b
}

func (j *journal) end(now exchange.Time, b *exchange.Begin, status int, result exchange.CacheResult) {
	e := &exchange.End{ID: b.ID, Time: now, Status: status, BodySize: 100, Cache: exchange.CacheEvidence{Embedded: result}}
	j.add(exchange.Record{Kind: exchange.KindEnd, Time: now, End: e})
}

func (j *journal) tick(now exchange.Time) { j.add(exchange.Record{Kind: exchange.KindTick, Time: now}) }

const (
	gap   = 5 * time.Second
	start = exchange.Time(1_700_000_000_000_000_000)
)

var client = exchange.Span{TraceID: exchange.TraceID{15: 1}, SpanID: exchange.SpanID{7: 2}, State: "a=b"}

var settings = session.Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: 1000}

func at(d time.Duration) exchange.Time { return start.Add(d) }

const (
	modA  = "/example.com/a/@v/v1.0.0.mod"
	zipB  = "/example.com/b/@v/v2.0.0+incompatible.zip"
	listC = "/example.com/c/@v/list"
)

var inferred = exchange.Session{ID: exchange.TraceID{1}, Inferred: true, Root: exchange.SpanID{2}}

func TestASessionIsSummedUp(t *testing.T) {
	j := newJournal(settings)
	first := j.begin(at(1*time.Second), modA, inferred)
	second := j.begin(at(2*time.Second), zipB, inferred)
	j.end(at(3*time.Second), first, 200, exchange.Miss)
	j.end(at(9*time.Second), second, 200, exchange.Coalesced)
	j.end(at(10*time.Second), j.begin(at(10*time.Second), modA, inferred), 200, exchange.Stale)
	j.end(at(10*time.Second), j.begin(at(10*time.Second), listC, inferred), 200, exchange.Bypass)
	j.end(at(10*time.Second), j.begin(at(10*time.Second), modA, inferred), 404, exchange.Miss)
	j.end(at(11*time.Second), j.begin(at(10*time.Second), modA, inferred), 502, "")
	egress := &exchange.Begin{ID: 99, Side: exchange.Egress, Session: inferred, Path: zipB, Time: at(11 * time.Second)}
	j.add(exchange.Record{Kind: exchange.KindBegin, Time: egress.Time, Begin: egress})
	j.end(at(12*time.Second), egress, 200, "")

	j.tick(at(11*time.Second + gap + Slack - 1))
	assert.Empty(t, j.closed)
	assert.Equal(t, 1, j.tracker.Open())
	j.tick(at(11*time.Second + gap + Slack))
	require.Len(t, j.closed, 1)
	c := j.closed[0]
	assert.Equal(t, &session.Closed{
		Session: inferred, First: first.Span, Start: first.Time, End: at(11 * time.Second),
		Requests: 6, Failures: 1, Bytes: 600, Hits: 2, Misses: 1,
		SlowestModule: "example.com/b", SlowestVersion: "v2.0.0+incompatible", Slowest: 7 * time.Second,
		Client: exchange.Client{Name: "ann"}, UserAgent: "agent", CI: exchange.CI{System: "gitlab"},
	}, c)
	ratio, known := c.HitRatio()
	assert.True(t, known)
	assert.InDelta(t, 2.0/3, ratio, 1e-9)
	root, ours := c.RootSpan()
	assert.True(t, ours)
	assert.Equal(t, exchange.Span{TraceID: inferred.ID, SpanID: inferred.Root, Flags: 1}, root)
	assert.Zero(t, j.tracker.Open())
}

func TestWhatIsInFlightOrUnsettledKeepsASessionOpen(t *testing.T) {
	j := newJournal(session.Settings{IdleGap: time.Millisecond, MaxOpen: 10})
	b := j.begin(start, zipB, inferred)
	j.tick(at(time.Hour))
	assert.Empty(t, j.closed, "a download is in flight")
	j.end(at(time.Hour), b, 200, "")
	j.tick(at(time.Hour + time.Second - 1))
	assert.Empty(t, j.closed, "the verdict isn't final")
	j.tick(at(time.Hour + 2*time.Second))
	assert.Len(t, j.closed, 1)
}

func TestForeignParentIsCountedWithoutARoot(t *testing.T) {
	j := newJournal(settings)
	foreign := exchange.Session{ID: client.TraceID}
	j.end(at(time.Second), j.begin(start, listC, foreign), 200, exchange.Bypass)
	j.end(at(time.Second), j.begin(start, listC, exchange.Session{}), 200, exchange.Bypass)
	j.tick(at(time.Minute))
	require.Len(t, j.closed, 1, "what has no session opens none")
	_, ours := j.closed[0].RootSpan()
	assert.False(t, ours)
	_, known := j.closed[0].HitRatio()
	assert.False(t, known)
}

// openSessions opens 20 sessions with a request each; every second one is answered.
func openSessions(j *journal) (ids []exchange.TraceID) {
	for i := range 20 {
		s := exchange.Session{ID: exchange.TraceID{byte(i + 1)}, Root: exchange.SpanID{1}}
		ids = append(ids, s.ID)
		if b := j.begin(at(time.Second), modA, s); i%2 == 0 {
			j.end(at(2*time.Second), b, 200, exchange.Hit)
		}
	}
	return ids
}

func TestAStopClosesItsSessions(t *testing.T) {
	j := newJournal(settings)
	want := openSessions(j)
	j.add(exchange.Record{Kind: exchange.KindStop, Time: at(time.Hour)})
	var got []exchange.TraceID
	for _, c := range j.closed {
		got = append(got, c.ID)
		assert.LessOrEqual(t, c.End, at(2*time.Second))
	}
	assert.Equal(t, want, got, "in the order of their opening")
}

func TestSessionsOutliveACrash(t *testing.T) {
	j := newJournal(settings)
	want := openSessions(j)
	j.restart(t)
	j.add(exchange.Record{Kind: exchange.KindStart, Time: at(3 * time.Second)})
	assert.Empty(t, j.closed)
	first := exchange.Session{ID: want[0], Root: exchange.SpanID{1}}
	j.end(at(3*time.Second), j.begin(at(3*time.Second), modA, first), 200, exchange.Hit)
	j.restart(t)
	j.tick(at(time.Hour))
	require.Len(t, j.closed, 20)
	for _, c := range j.closed {
		if c.ID == want[0] {
			assert.EqualValues(t, 2, c.Requests, "one session on both sides of the crash")
			assert.EqualValues(t, 2, c.Hits)
		} else {
			assert.EqualValues(t, 1, c.Requests)
		}
	}
}

// restart lets another tracker go on with what is stored of this one.
func (j *journal) restart(t *testing.T) {
	t.Helper()
	state, err := j.tracker.MarshalBinary()
	require.NoError(t, err)
	j.tracker = NewTracker(settings, j.tracker.tell)
	require.NoError(t, j.tracker.UnmarshalBinary(state))
	again, err := j.tracker.MarshalBinary()
	require.NoError(t, err)
	assert.Equal(t, state, again)
}

func TestTrackersMemoryIsBounded(t *testing.T) {
	j := newJournal(session.Settings{IdleGap: gap, MaxOpen: 50})
	for i := range 100_000 {
		now := at(time.Duration(i))
		s := exchange.Session{ID: exchange.TraceID{1, byte(i >> 16), byte(i >> 8), byte(i)}, Root: exchange.SpanID{1}}
		j.end(now, j.begin(now, modA, s), 200, exchange.Hit)
		require.LessOrEqual(t, j.tracker.Open(), 101)
	}
	j.tick(at(time.Minute))
	assert.Len(t, j.closed, 100_000)
}

// TestTableAndTrackerAgree: each session that the table chose is told once, with
// all its requests, and a replay of the records tells the same.
func TestTableAndTrackerAgree(t *testing.T) {
	table := session.NewTable(settings, nil)
	j := newJournal(settings)
	random := uint64(1)
	next := func(n uint64) uint64 {
		random = random*6364136223846793005 + 1442695040888963407
		return (random >> 33) % n
	}
	type flight struct {
		b *exchange.Begin
		o session.Use
	}
	var flying []flight
	chosen := map[sessionKey]int64{}
	now := start
	for range 20_000 {
		now = now.Add(time.Duration(next(1500)) * time.Millisecond)
		if len(flying) > 0 && next(2) == 0 {
			i := next(uint64(len(flying)))
			f := flying[i]
			flying = append(flying[:i], flying[i+1:]...)
			f.o.Done(now)
			j.end(now+10, f.b, 200, exchange.Hit)
			continue
		}
		key, remote := session.Key{Address: netip.AddrFrom4([4]byte{byte(next(10))})}, exchange.Span{}
		if next(4) == 0 {
			remote = exchange.Span{TraceID: exchange.TraceID{byte(next(3)) + 1}, SpanID: exchange.SpanID{9}, State: "modtap=root"}
		}
		_, s, o := table.Choose(now, key, remote)
		chosen[sessionKey{s.ID, s.Root}]++
		flying = append(flying, flight{j.begin(now+10, modA, s), o})
		if next(3) == 0 {
			j.tick(now + 20)
		}
	}
	for _, f := range flying {
		j.end(now, f.b, 200, exchange.Hit)
	}
	j.add(exchange.Record{Kind: exchange.KindStop, Time: now})
	told := map[sessionKey]int64{}
	for _, c := range j.closed {
		key := sessionKey{c.ID, c.Root}
		require.NotContains(t, told, key, "told once")
		told[key] = c.Requests
	}
	assert.Equal(t, chosen, told)
	assert.Greater(t, len(told), 100)

	again := newJournal(settings)
	for _, r := range j.records[1:] {
		again.add(r)
	}
	assert.Equal(t, j.closed, again.closed)
}

// TestASessionWaitsForItsConnections: one with a connection of its own isn't over
// before that is closed, nor before a restart, nor one of a CI job in a quiet phase.
func TestASessionWaitsForItsConnections(t *testing.T) {
	held := inferred
	held.Held = true
	two := func(j *journal) {
		j.end(start, j.begin(start, zipB, held), 200, "")
		j.end(at(time.Second), j.begin(start, modA, held), 200, "")
	}
	left := func(j *journal, now exchange.Time) {
		j.add(exchange.Record{Kind: exchange.KindTick, Time: now, Left: exchange.Session{ID: inferred.ID, Root: inferred.Root}})
	}
	for name, end := range map[string]func(j *journal, now exchange.Time){
		"closed": left,
		"restart": func(j *journal, now exchange.Time) {
			data, err := j.tracker.MarshalBinary()
			require.NoError(t, err)
			j.tracker = NewTracker(settings, func(c *session.Closed) { j.closed = append(j.closed, c) })
			require.NoError(t, j.tracker.UnmarshalBinary(data))
			j.add(exchange.Record{Kind: exchange.KindStart, Time: now})
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJournal(settings)
			two(j)
			j.tick(at(10 * gap))
			assert.Empty(t, j.closed)
			end(j, at(10*gap))
			j.tick(at(11*gap + Slack - 1))
			assert.Empty(t, j.closed)
			j.tick(at(11*gap + Slack))
			require.Len(t, j.closed, 1)
			assert.Equal(t, at(time.Second), j.closed[0].End)
		})
	}
	t.Run("a record that is lost", func(t *testing.T) {
		j := newJournal(settings)
		two(j)
		j.tick(at(time.Second + settings.MaxDuration + Slack))
		assert.Len(t, j.closed, 1)
	})
	t.Run("one request only", func(t *testing.T) {
		j := newJournal(settings)
		j.end(at(time.Second), j.begin(start, modA, held), 200, "")
		j.tick(at(time.Second + gap + Slack))
		assert.Len(t, j.closed, 1)
	})
	t.Run("closed in flight", func(t *testing.T) {
		j := newJournal(settings)
		b := j.begin(start, modA, held)
		left(j, at(time.Second))
		j.end(at(2*time.Second), b, 200, "")
		j.tick(at(2*time.Second + gap + Slack))
		assert.Len(t, j.closed, 1)
	})
}
