// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

func TestJudge(t *testing.T) {
	embedded := exchange.CacheEvidence{Embedded: exchange.Hit}
	for _, tt := range []struct {
		name string
		end  exchange.End
		want Verdict
	}{
		{"ok, nothing known", exchange.End{Status: 200}, Verdict{Result: "unknown", Outcome: OK}},
		{"embedded hit", exchange.End{Status: 200, Cache: embedded}, Verdict{Result: "hit", Evidence: "embedded", Outcome: OK}},
		{
			"embedded miss",
			exchange.End{Status: 206, Cache: exchange.CacheEvidence{Embedded: exchange.Miss, MissReason: "cold"}},
			Verdict{Result: "miss", Evidence: "embedded", MissReason: "cold", Outcome: OK},
		},
		{"not modified", exchange.End{Status: 304}, Verdict{Result: "unknown", Outcome: OK}},
		{"not found", exchange.End{Status: 404}, Verdict{Result: "unknown", Outcome: NotFound}},
		{"gone", exchange.End{Status: 410}, Verdict{Result: "unknown", Outcome: NotFound}},
		{"forbidden", exchange.End{Status: 403}, Verdict{Result: "unknown", Outcome: Denied}},
		{"internal error", exchange.End{Status: 500}, Verdict{Result: "unknown", Outcome: UpstreamError, ErrorType: "500"}},
		{"bad gateway", exchange.End{Status: 502, Error: "connection_refused"}, Verdict{Result: "unknown", Outcome: UpstreamError, ErrorType: "connection_refused"}},
		{"time-out", exchange.End{Status: 504, Error: "timeout"}, Verdict{Result: "unknown", Outcome: Timeout, ErrorType: "timeout"}},
		{"checksum", exchange.End{Status: 502, Error: exchange.ErrorChecksumMismatch}, Verdict{Result: "unknown", Outcome: ChecksumMismatch, ErrorType: exchange.ErrorChecksumMismatch}},
		{"client gone", exchange.End{Status: 200, Disposition: exchange.ClientGone}, Verdict{Result: "unknown", Outcome: ClientGone}},
		{"broken off", exchange.End{Status: 200, Disposition: exchange.UpstreamBroke, Error: "connection_reset"}, Verdict{Result: "unknown", Outcome: UpstreamError, ErrorType: "connection_reset"}},
		{"stalled", exchange.End{Status: 200, Disposition: exchange.UpstreamBroke, Error: "timeout"}, Verdict{Result: "unknown", Outcome: Timeout, ErrorType: "timeout"}},
		{"refused by us", exchange.End{Status: 508, Disposition: exchange.Refused}, Verdict{Result: "unknown", Outcome: Refused}},
		{"interrupted", exchange.End{Disposition: exchange.Interrupted}, Verdict{Result: "unknown", Outcome: Interrupted, ErrorType: "interrupted"}},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, Judge(&tt.end)) })
	}
}

const second = exchange.Time(time.Second)

func start(t exchange.Time, run string) exchange.Record {
	return exchange.Record{Kind: exchange.KindStart, Time: t, Start: exchange.Start{Time: t, Run: run}}
}

func begin(t exchange.Time, id uint64) exchange.Record {
	return exchange.Record{Kind: exchange.KindBegin, Time: t, Begin: &exchange.Begin{ID: id, Time: t}}
}

func end(t exchange.Time, id uint64, result exchange.CacheResult) exchange.Record {
	return exchange.Record{Kind: exchange.KindEnd, Time: t, End: &exchange.End{ID: id, Time: t, Status: 200, Cache: exchange.CacheEvidence{Embedded: result}}}
}

func tick(t exchange.Time) exchange.Record {
	return exchange.Record{Kind: exchange.KindTick, Time: t}
}

// tell runs the records through a settler; of each exchange told it notes run,
// id, outcome and after which record.
func tell(window time.Duration, records ...exchange.Record) (told []string) {
	n := 0
	s := NewSettler(window, JoinSettings{Egress: true}, func(x Settled) {
		told = append(told, fmt.Sprintf("%s/%d %s at %d", x.Run, x.Begin.ID, x.Verdict.Outcome, n))
	})
	for i, r := range records {
		n = i
		s.Add(r)
	}
	return told
}

func TestWindowClosesAtTheFirstRecordAtOrPastItsEnd(t *testing.T) {
	assert.Equal(t, []string{"a/1 ok at 4", "a/2 ok at 5"}, tell(2*time.Second,
		start(1*second, "a"), begin(2*second, 1), begin(2*second, 2),
		end(3*second, 1, ""), // waits until 5
		end(5*second, 2, ""), // closes 1, waits until 7
		tick(8*second),
	))
}

func TestConclusiveEvidenceDoesNotWait(t *testing.T) {
	assert.Equal(t, []string{"a/2 ok at 4", "a/1 ok at 5"}, tell(2*time.Second,
		start(1*second, "a"), begin(2*second, 1), begin(2*second, 2),
		end(3*second, 1, ""), end(3*second, 2, exchange.Hit), tick(5*second),
	))
}

func TestNextStartInterruptsWhatIsOpen(t *testing.T) {
	var got []*exchange.End
	s := NewSettler(2*time.Second, JoinSettings{Egress: true}, func(x Settled) { got = append(got, x.End) })
	for _, r := range []exchange.Record{
		start(1*second, "a"), begin(2*second, 1), begin(3*second, 2), end(4*second, 2, ""), start(9*second, "b"),
	} {
		s.Add(r)
	}
	require.Len(t, got, 2)
	assert.Equal(t, uint64(2), got[0].ID, "what had ended is told as it is")
	assert.Equal(t, exchange.Interrupted, got[1].Disposition)
	assert.Equal(t, 4*second, got[1].Time, "its duration runs to the last record of its run")
	assert.Zero(t, s.Open())
	assert.False(t, s.Waiting())
}

func TestEndWithoutBeginIsPassedOver(t *testing.T) {
	assert.Empty(t, tell(0, start(1*second, "a"), end(2*second, 7, exchange.Hit)))
}

func TestTellingIsAPureFunctionOfTheRecords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	records := []exchange.Record{start(1, "a")}
	var open []uint64
	now := exchange.Time(1)
	for id := uint64(1); len(records) < 5000; id++ {
		now += exchange.Time(r.IntN(int(second / 4)))
		records = append(records, begin(now, id))
		open = append(open, id)
		if r.IntN(3) > 0 {
			i := r.IntN(len(open))
			result := []exchange.CacheResult{"", exchange.Hit}[r.IntN(2)]
			records = append(records, end(now, open[i], result))
			open = append(open[:i], open[i+1:]...)
		}
		if r.IntN(500) == 0 {
			records = append(records, start(now, fmt.Sprint("run", id)))
			open = nil
		}
	}
	records = append(records, start(now, "last"))
	first := tell(2*time.Second, records...)
	assert.Equal(t, first, tell(2*time.Second, records...))
	begins := 0
	for _, rec := range records {
		if rec.Kind == exchange.KindBegin {
			begins++
		}
	}
	assert.Len(t, first, begins, "each exchange is told exactly once")
}

func TestOrderIsTrimmed(t *testing.T) {
	s := NewSettler(0, JoinSettings{}, func(Settled) {})
	s.Add(start(1, "a"))
	s.Add(begin(1, 1)) // a long download
	for id := uint64(2); id < 10_000; id++ {
		s.Add(begin(2, id))
		s.Add(end(3, id, ""))
	}
	assert.Equal(t, 1, s.Open())
	assert.Less(t, len(s.order), 100)
}
