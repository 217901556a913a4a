// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

// tracer is a client that sends a trace context.
type tracer struct {
	Key
	mark bool
	span exchange.SpanID
}

func (c tracer) remote(id exchange.TraceID) exchange.Span {
	s := exchange.Span{TraceID: id, SpanID: c.span, Flags: 1}
	if c.mark {
		s.State = "modtap=root"
	}
	return s
}

// someTracer makes up a client out of few values, so that two often share some.
func someTracer(r *rand.Rand) tracer {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	c := tracer{mark: r.IntN(3) > 0, span: exchange.SpanID{1 + byte(r.IntN(2))}}
	c.Address = netip.MustParseAddr(pick("192.0.2.1", "192.0.2.2", "2001:db8::1", "fe80::1%eth0", "fe80::1%eth1"))
	c.Identity = pick("", "", "ann", "gitlab-ci-token")
	c.UserAgent = pick("Go-http-client/1.1", "Go-http-client/2.0")
	c.Owner = pick("", "", "a secret", "another")
	return c
}

// same reports whether nothing tells the clients apart: the rule, once more.
func (c tracer) same(d tracer) bool {
	if c.Owner != "" || d.Owner != "" {
		return c.Owner == d.Owner
	}
	return c.Address == d.Address && c.Identity == d.Identity
}

// TestATraceIsItsOwners: whatever two clients are, the second one's requests are in
// the first one's trace, as W3C trace context wants it, but in its session only if
// it is the same client, and never under a root that isn't the first one's.
func TestATraceIsItsOwners(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 17))
		owner, other := someTracer(r), someTracer(r)
		id := exchange.TraceID{1, byte(seed), byte(seed >> 8)}
		what := fmt.Sprintf("seed %d: %+v, then %+v", seed, owner, other)
		table := NewTable(settings, []byte("secret"))
		_, first := once(table, start, owner.Key, owner.remote(id))
		require.Equal(t, id, first.ID, what)

		restarted := r.IntN(2) == 0
		if restarted {
			data, err := table.Save(at(time.Second), r.IntN(2) == 0)
			require.NoError(t, err)
			table = NewTable(settings, []byte("secret"))
			require.NoError(t, table.Restore(data))
		}
		later := at(time.Duration(r.Int64N(int64(settings.MaxDuration))))
		span, second := once(table, later, other.Key, other.remote(id))
		require.Equal(t, id, span.TraceID, what)
		if owner.same(other) {
			require.Equal(t, id, second.ID, what)
		} else {
			require.NotEqual(t, id, second.ID, what)
			require.Equal(t, exchange.Session{ID: second.ID}, second, what)
			require.Equal(t, other.span, span.ParentID, "%s: below what the client named", what)
			_, again := once(table, later, other.Key, other.remote(id))
			require.Equal(t, second, again, "%s: a stranger's requests belong together", what)
			_, third := once(table, later, Key{Identity: "a third one"}, other.remote(id))
			require.NotEqual(t, second.ID, third.ID, what)
			require.NotEqual(t, id, third.ID, what)
		}
		_, back := once(table, later, owner.Key, owner.remote(id))
		require.Equal(t, id, back.ID, "%s: the owner's stays its own", what)
	}
}

// TestStrangersPlantNoRoot: a client that knows trace and root of another neither
// joins the session, before or after its end, nor has another root told in its name.
func TestStrangersPlantNoRoot(t *testing.T) {
	table := NewTable(settings, nil)
	marked := client
	marked.State = "modtap=root"
	stranger := Key{Address: netip.MustParseAddr("192.0.2.66"), UserAgent: someone.UserAgent}
	_, own := once(table, start, someone, marked)
	planted := marked
	planted.SpanID = exchange.SpanID{66}
	for _, remote := range []exchange.Span{marked, planted, client} {
		for _, when := range []time.Duration{time.Second, 2 * gap, settings.MaxDuration - 1} {
			span, s := once(table, at(when), stranger, remote)
			assert.NotEqual(t, own.ID, s.ID)
			assert.Zero(t, s.Root)
			assert.Equal(t, own.ID, span.TraceID)
			assert.Equal(t, remote.SpanID, span.ParentID)
		}
	}
}

// TestARunnerWithSeveralAddresses: what modtap-goauth sends makes its requests one
// session, whatever addresses they come from; without it nothing tells such a
// runner from a stranger.
func TestARunnerWithSeveralAddresses(t *testing.T) {
	marked := client
	marked.State = "modtap=root"
	for owner, want := range map[string]int{"of this go command": 1, "": 4} {
		table, ids := NewTable(settings, nil), map[exchange.TraceID]bool{}
		for i := range 20 {
			_, s := once(table, start, Key{Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 4)}), Owner: owner}, marked)
			ids[s.ID] = true
		}
		assert.Len(t, ids, want)
	}
}

// TestClaimsAreBounded: a claim goes with the last session that holds it.
func TestClaimsAreBounded(t *testing.T) {
	table := NewTable(Settings{IdleGap: gap, MaxDuration: time.Hour, MaxOpen: 320}, nil)
	claims := func() (n int) {
		for i := range table.shards {
			n += len(table.shards[i].claims)
		}
		return n
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		c := someTracer(r)
		once(table, at(time.Duration(i)*time.Millisecond), c.Key, c.remote(exchange.TraceID{1, byte(i), byte(i >> 8), byte(r.IntN(2))}))
		require.LessOrEqual(t, claims(), table.Len())
		require.LessOrEqual(t, table.Len(), 352)
	}
	for i := range table.shards {
		s := &table.shards[i]
		for s.idle.next != &s.idle {
			s.idle.next.leave()
		}
	}
	assert.Zero(t, claims())
}

// TestAnOlderTableIsTakenOver: sessions that were saved before owners were kept are
// claimed by the first one who asks, and nobody after that.
func TestAnOlderTableIsTakenOver(t *testing.T) {
	table := NewTable(settings, nil)
	type older struct {
		Key         uint64
		Session     exchange.Session
		Began, Last exchange.Time
	}
	f := table.traced(someone, client)
	data, err := encode([]older{{f.key, exchange.Session{ID: client.TraceID}, start, start}})
	require.NoError(t, err)
	require.NoError(t, table.Restore(data))
	_, s := once(table, start, someone, client)
	assert.Equal(t, client.TraceID, s.ID)
	_, s = once(table, start, Key{Identity: "another"}, client)
	assert.NotEqual(t, client.TraceID, s.ID)
	assert.Equal(t, 2, table.Len())
}
