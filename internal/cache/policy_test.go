// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// asker is a client, and what each identity policy lets be told of it.
type asker struct {
	key  exchange.ClientKey
	told map[string]exchange.Client
}

func askers(r *rand.Rand) []asker {
	all := make([]asker, 2+r.IntN(4))
	for i := range all {
		address, name := fmt.Sprint("192.0.2.", r.IntN(3)), fmt.Sprint("user", i) // some share an address
		binary.BigEndian.PutUint64(all[i].key[:], uint64(i)+1)
		all[i].told = map[string]exchange.Client{
			"full":           {Address: address, Port: uint16(r.IntN(2)), Name: name},
			"full, no names": {Address: address},
			"hash":           {Address: digest(address), Name: digest(name)},
			"none":           {},
		}
	}
	return all
}

// traffic returns what the clients of one seed do, told by policy; it is the same
// whatever the policy is.
func traffic(seed uint64, policy string) []exchange.Record {
	r := rand.New(rand.NewPCG(seed, 2))
	clients := askers(r)
	paths := []string{
		"/example.com/@v/list", "/example.com/a/@v/list", "/example.com/a/b/@v/list", "/example.com/a/b/c/@v/list",
		"/example.com/a/@v/v1.0.0.zip", "/example.com/a/b/@v/v1.0.0.zip", "/example.com/a/@v/v1.0.0.info", "/example.com/a/@v/v1.0.0.mod",
	}
	var records []exchange.Record
	for id := uint64(1); id <= 60; id++ {
		who := &clients[r.IntN(len(clients))]
		at := exchange.Time(r.IntN(3000)) * ms
		b := &exchange.Begin{
			ID: id, Time: at, Method: "GET", Path: paths[r.IntN(len(paths))], Scheme: oneOf(&crowd{Rand: r}, "http", "https"), Protocol: "1.1",
			UserAgent: "Go-http-client/1.1", Client: who.told[policy], ClientKey: who.key, Connection: uint64(r.IntN(3)),
			Span:    span(fmt.Sprint("s", id)),
			Session: exchange.Session{ID: exchange.TraceID(slices.Concat(who.key[:], who.key[:])), Inferred: r.IntN(2) == 0, Root: exchange.SpanID{1}},
		}
		b.Request = goproxy.Parse(b.Path)
		b.Span.TraceID = exchange.TraceID{1}
		e := &exchange.End{ID: id, Time: at + exchange.Time(1+r.IntN(40))*ms, Status: []int{200, 206, 206, 404, 404, 403}[r.IntN(6)], BodySize: 10}
		e.FirstByte = e.Time
		if e.Status < 300 {
			e.Disposition = []exchange.Disposition{exchange.Complete, exchange.ClientGone, exchange.UpstreamBroke}[r.IntN(3)]
		}
		if r.IntN(8) == 0 {
			b.Side = exchange.Egress
		}
		records = append(records, exchange.Record{Kind: exchange.KindBegin, Time: b.Time, Begin: b}, exchange.Record{Kind: exchange.KindEnd, Time: e.Time, End: e})
	}
	slices.SortStableFunc(records, func(a, b exchange.Record) int { return cmp.Compare(a.Time, b.Time) })
	return append(records, exchange.Record{Kind: exchange.KindTick, Time: 1 << 60})
}

// TestPoliciesTellTheSameVerdicts: who may be told of is no evidence. The same traffic
// has the same verdicts, in the same order, whatever the identity policy hides.
func TestPoliciesTellTheSameVerdicts(t *testing.T) {
	seen := make(map[Outcome]int)
	resumed := 0
	for seed := range uint64(300) {
		verdicts := func(policy string) (all []string) {
			s := NewSettler(2*time.Second, JoinSettings{Egress: seed%2 == 0, Memory: time.Hour}, func(x Settled) {
				all = append(all, fmt.Sprintf("%d %+v", x.Begin.ID, x.Verdict))
				if policy == "none" {
					seen[x.Verdict.Outcome]++
					if !x.Verdict.Resumes.IsZero() {
						resumed++
					}
				}
			})
			for _, r := range traffic(seed, policy) {
				s.Add(r)
			}
			return all
		}
		want := verdicts("none")
		for _, policy := range []string{"full", "full, no names", "hash"} {
			assert.Equal(t, want, verdicts(policy), "seed %d, %s", seed, policy)
		}
	}
	for _, o := range []Outcome{OK, NotFound, Probe, RetryTwin, Denied} {
		assert.Positive(t, seen[o], "%s", o)
	}
	assert.Positive(t, resumed)
	t.Log(seen, "resumed:", resumed)
}

// TestARecordWithoutAKeyIsJudgedByWhatIsTold: an older run's downloads are resumed too.
func TestARecordWithoutAKeyIsJudgedByWhatIsTold(t *testing.T) {
	a := &exchange.Begin{Client: exchange.Client{Address: "192.0.2.1"}}
	b := &exchange.Begin{Client: exchange.Client{Address: "192.0.2.2"}}
	assert.NotEqual(t, client(a), client(b))
	a.ClientKey = exchange.ClientKey{1}
	b.ClientKey = exchange.ClientKey{1}
	assert.Equal(t, client(a), client(b))
}
