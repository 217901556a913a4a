// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

func lateTable(late time.Duration) *Table {
	return NewTable(Settings{IdleGap: 5 * time.Second, MaxDuration: time.Minute, Late: late, MaxOpen: 1000}, []byte("secret"))
}

func second(n float64) exchange.Time { return exchange.Time(1e18 + n*1e9) }

func TestALateRequestIsAnotherPartOfAClosedSession(t *testing.T) {
	for name, tt := range map[string]struct {
		late           time.Duration
		began, reached float64
		session, root  bool // the same as the first's
	}{
		"soon":                       {0, 2, 2, true, true},
		"late, but not closed":       {0, 2, 5.9, true, true},
		"late":                       {0, 2, 6, true, false},
		"late, and waited for":       {10 * time.Second, 2, 15.9, true, true},
		"later than is waited for":   {10 * time.Second, 2, 16, true, false},
		"after the gap":              {10 * time.Second, 6, 6, false, false},
		"by a clock without a start": {0, 2, 0, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			table, who := lateTable(tt.late), Key{Address: netip.MustParseAddr("10.0.0.1")}
			_, first, _ := table.Whole(second(0), second(1), second(0), who, exchange.Span{})
			reached := exchange.Time(0)
			if tt.reached != 0 {
				reached = second(tt.reached)
			}
			span, got, _ := table.Whole(second(tt.began), second(tt.began+1), reached, who, exchange.Span{})
			assert.Equal(t, tt.session, got.ID == first.ID)
			assert.Equal(t, tt.root, got.Root == first.Root)
			assert.Equal(t, got.Root, span.ParentID)
			if tt.session && !tt.root {
				assert.Equal(t, first.Root, got.RootParent)
				_, third, _ := table.Whole(second(tt.began), second(tt.began+2), reached, who, exchange.Span{})
				assert.Equal(t, got, third, "its own end is waited for")
			}
		})
	}
}

// TestATableResumes: one that was restored some while ago, and then was told what was
// chosen since, chooses like the one that chose.
func TestATableResumes(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 9))
		first := lateTable(10 * time.Second)
		type chosen struct {
			key []byte
			b   *exchange.Begin
			e   *exchange.End
		}
		var since []chosen
		now := 0.0
		ask := func() (float64, float64, Key, exchange.Span) {
			now += r.Float64() * 2
			who := Key{Address: netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", r.IntN(4))), UserAgent: "Go-http-client/1.1"}
			remote := exchange.Span{}
			switch r.IntN(4) {
			case 0:
				remote = exchange.Span{TraceID: exchange.TraceID{byte(1 + r.IntN(3))}, SpanID: exchange.SpanID{1}}
			case 1:
				remote = exchange.Span{TraceID: exchange.TraceID{byte(10 + r.IntN(3))}, SpanID: exchange.SpanID{2}, State: "modtap=root"}
			case 2:
				who.Job = strconv.Itoa(r.IntN(2))
			}
			return now - r.Float64()*3, now, who, remote
		}
		var saved []byte
		at := r.IntN(300)
		for i := range 300 {
			if i == at {
				var err error
				saved, err = first.Save(0, false)
				require.NoError(t, err)
			}
			began, ended, who, remote := ask()
			_, session, key := first.Whole(second(began), second(ended), second(now), who, remote)
			if i >= at {
				since = append(since, chosen{key, &exchange.Begin{Time: second(began), Session: session}, &exchange.End{Time: second(ended)}})
			}
		}
		again := lateTable(10 * time.Second)
		require.NoError(t, again.Restore(saved))
		for _, c := range since {
			again.Resume(c.key, c.b, c.e)
		}
		again.Resume([]byte("none"), nil, nil)

		// What goes on, goes on in both; what is new has ids of its own.
		same := make(map[exchange.TraceID]exchange.TraceID)
		for range 200 {
			began, ended, who, remote := ask()
			_, a, _ := first.Whole(second(began), second(ended), second(now), who, remote)
			_, b, _ := again.Whole(second(began), second(ended), second(now), who, remote)
			if known, ok := same[a.ID]; ok {
				require.Equal(t, known, b.ID, "seed %d", seed)
			}
			same[a.ID] = b.ID
			require.Equal(t, a.Inferred, b.Inferred, "seed %d", seed)
			require.Equal(t, a.Root == exchange.SpanID{}, b.Root == exchange.SpanID{}, "seed %d", seed)
		}
		var went int
		for a, b := range same {
			if a == b {
				went++
			}
		}
		assert.Positive(t, went)
	}
}
