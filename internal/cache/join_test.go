// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

const (
	ms  = exchange.Time(time.Millisecond)
	mod = "/example.com/m/@v/v1.0.0.mod"
	zip = "/example.com/m/@v/v1.0.0.zip"
)

type exchangeTime = exchange.Time

// scene is a story of exchanges on both sides, told in records.
type scene struct {
	records []exchange.Record
	begins  map[string]*exchange.Begin
}

// span makes a span of a name.
func span(name string) exchange.Span {
	s := exchange.Span{TraceID: exchange.TraceID{1}}
	copy(s.SpanID[:], name)
	return s
}

// asks lets the client ask for a path, at a time in ms.
func (s *scene) asks(at exchange.Time, name, path string) {
	s.add(&exchange.Begin{ID: uint64(len(s.records) + 1), Time: at * ms, Path: path, Request: goproxy.Parse(path), Span: span(name)}, name)
}

// fetches lets the proxy ask upstream, for the client's request cause ("" if that isn't known), which Modtap chose.
func (s *scene) fetches(at exchange.Time, name, path, cause string, candidates ...string) {
	b := &exchange.Begin{ID: uint64(len(s.records) + 1), Time: at * ms, Side: exchange.Egress, Path: path, Request: goproxy.Parse(path), Span: span(name)}
	if cause != "" {
		b.Cause = span(cause).SpanID
		b.Span.ParentID = b.Cause
	}
	for _, c := range candidates {
		b.Candidates = append(b.Candidates, span(c))
	}
	s.add(b, name)
}

// traces lets the proxy ask upstream for the client's request cause, whose trace context it passes on.
func (s *scene) traces(at exchange.Time, name, path, cause string) {
	s.fetches(at, name, path, cause)
	s.begins[name].Span.ParentID = span("hop" + cause).SpanID
}

func (s *scene) add(b *exchange.Begin, name string) {
	if s.begins == nil {
		s.begins = map[string]*exchange.Begin{}
	}
	s.begins[name] = b
	s.records = append(s.records, exchange.Record{Kind: exchange.KindBegin, Time: b.Time, Begin: b})
}

// ends ends an exchange of either side; its first byte went out at first.
func (s *scene) ends(first, at exchange.Time, name string) {
	s.endsWith(first, at, name, 200)
}

// endsWith ends it with a status and, in pairs, header lines.
func (s *scene) endsWith(first, at exchange.Time, name string, status int, headers ...string) {
	e := &exchange.End{ID: s.begins[name].ID, FirstByte: first * ms, Time: at * ms, Status: status}
	for i := 0; i < len(headers); i += 2 {
		e.Cache.Headers = append(e.Cache.Headers, exchange.Header{Name: headers[i], Value: headers[i+1]})
	}
	s.records = append(s.records, exchange.Record{Kind: exchange.KindEnd, Time: at * ms, End: e})
}

// sort puts the records in the order of their times.
func (s *scene) sort() {
	slices.SortStableFunc(s.records, func(x, y exchange.Record) int { return int(x.Time - y.Time) })
}

// verdicts returns what is told of each ingress exchange, by name. What is known
// between two records can be stored and taken over: the verdicts are the same.
func (s *scene) verdicts(settings JoinSettings) map[string]string {
	got := s.play(settings, func(settler *Settler) *Settler { return settler })
	restored := s.play(settings, func(settler *Settler) *Settler {
		state, err := settler.MarshalBinary()
		if err != nil {
			panic(err)
		}
		again := NewSettler(settler.window, settler.join.settings, settler.tell)
		if err := again.UnmarshalBinary(state); err != nil {
			panic(err)
		}
		return again
	})
	if !maps.Equal(got, restored) {
		return map[string]string{"restored": fmt.Sprint(restored), "else": fmt.Sprint(got)}
	}
	return got
}

// play adds the records; between lets another settler go on after each.
func (s *scene) play(settings JoinSettings, between func(*Settler) *Settler) map[string]string {
	settings.Egress = true
	if settings.Memory == 0 {
		settings.Memory = time.Hour
	}
	got := map[string]string{}
	settler := NewSettler(time.Second, settings, func(x Settled) {
		for name, b := range s.begins {
			if b.ID == x.Begin.ID && b.Side == exchange.Ingress {
				got[name] = strings.TrimSpace(fmt.Sprint(x.Verdict.Result, " ", x.Verdict.MissReason))
				if n := len(x.Verdict.Links); n > 0 {
					got[name] += fmt.Sprintf(", %d linked", n)
				}
			}
		}
	})
	for _, r := range s.records {
		settler.Add(r)
		settler = between(settler)
	}
	settler.Add(exchange.Record{Kind: exchange.KindTick, Time: 1000 * exchange.Time(time.Second)})
	return got
}

func TestJoin(t *testing.T) {
	cold := func(s *scene) { // the module was seen at the egress, and its .mod is stored
		s.asks(1, "first", mod)
		s.fetches(2, "f", mod, "first")
		s.ends(9, 10, "f")
		s.ends(11, 12, "first")
	}
	private := "example.com"
	for _, tt := range []struct {
		name     string
		settings JoinSettings
		play     func(*scene)
		want     map[string]string
	}{
		{name: "who caused a fetch missed; who came later hit", play: func(s *scene) {
			cold(s)
			s.asks(20, "second", mod)
			s.ends(21, 21, "second")
		}, want: map[string]string{"first": "miss", "second": "hit"}},
		{name: "a module that was never seen at the egress is unknown", play: func(s *scene) {
			cold(s)
			s.asks(20, "other", "/example.com/other/@v/v1.0.0.mod")
			s.ends(21, 21, "other")
		}, want: map[string]string{"first": "miss", "other": "unknown"}},
		{name: "unless it is known what passes us by", settings: JoinSettings{UnseenPatterns: new("")}, play: func(s *scene) {
			cold(s)
			s.asks(20, "other", "/example.com/other/@v/v1.0.0.mod")
			s.ends(21, 21, "other")
		}, want: map[string]string{"first": "miss", "other": "hit"}},
		{name: "what passes us by is unknown", settings: JoinSettings{UnseenPatterns: &private}, play: func(s *scene) {
			cold(s)
			s.asks(20, "second", mod)
			s.ends(21, 21, "second")
		}, want: map[string]string{"first": "miss", "second": "unknown"}},
		{name: "shared storage proves no hit", settings: JoinSettings{SharedStorage: true}, play: func(s *scene) {
			cold(s)
			s.asks(20, "second", mod)
			s.ends(21, 21, "second")
		}, want: map[string]string{"first": "miss", "second": "unknown"}},
		{name: "the proof grows old", settings: JoinSettings{Memory: 15 * time.Millisecond}, play: func(s *scene) {
			cold(s)
			s.asks(30, "second", mod)
			s.ends(31, 31, "second")
		}, want: map[string]string{"first": "miss", "second": "unknown"}},
		{name: "who waited for another's fetch coalesced", play: func(s *scene) {
			s.asks(1, "first", zip)
			s.fetches(2, "f", zip, "first")
			s.asks(3, "second", zip)
			s.ends(50, 60, "f")
			s.asks(70, "third", zip) // fetched; stored or not
			s.ends(90, 99, "first")
			s.ends(91, 99, "second")
			s.ends(92, 99, "third")
		}, want: map[string]string{"first": "miss", "second": "coalesced, 1 linked", "third": "unknown, 1 linked"}},
		{name: "who was answered while the file was being fetched is unknown", play: func(s *scene) {
			s.asks(1, "first", zip)
			s.fetches(2, "f", zip, "first")
			s.asks(3, "second", zip)
			s.ends(5, 6, "second")
			s.ends(50, 60, "f")
			s.ends(90, 99, "first")
		}, want: map[string]string{"first": "miss", "second": "unknown, 1 linked"}},
		{name: "a large zip still streams while other files of the version hit", play: func(s *scene) {
			cold(s)
			s.asks(100, "zip", zip)
			s.fetches(101, "z", zip, "zip")
			s.asks(110, "second", mod)
			s.ends(111, 111, "second")
			s.ends(102, 500, "z")
			s.ends(103, 501, "zip")
		}, want: map[string]string{"first": "miss", "zip": "miss", "second": "hit"}},
		{name: "a proxy that fetches whole versions lets other files wait", play: func(s *scene) {
			s.asks(1, "mod", mod)
			s.fetches(2, "a", "/example.com/m/@v/v1.0.0.info", "mod")
			s.ends(3, 4, "a")
			s.fetches(5, "b", zip, "mod")
			s.asks(10, "zip", zip) // for nothing of that version was seen before
			s.ends(50, 60, "b")
			s.ends(70, 71, "mod")
			s.ends(72, 80, "zip")
		}, want: map[string]string{"mod": "miss", "zip": "coalesced, 1 linked"}},
		{name: "a fetch that answered later than its supposed cause was another's", play: func(s *scene) {
			cold(s)
			s.asks(20, "second", mod)
			s.fetches(20, "g", mod, "second")
			s.ends(21, 21, "second")
			s.ends(40, 41, "g")
		}, want: map[string]string{"first": "miss", "second": "hit"}},
		{name: "who may have caused a fetch is unknown", play: func(s *scene) {
			cold(s)
			s.asks(20, "a", mod)
			s.asks(20, "b", mod)
			s.fetches(21, "g", "/example.com/m/@v/v1.1.0.mod", "", "a", "b")
			s.ends(30, 31, "g")
			s.ends(32, 33, "a")
			s.ends(32, 33, "b")
		}, want: map[string]string{"first": "miss", "a": "unknown, 1 linked", "b": "unknown, 1 linked"}},
		{name: "lists are asked upstream each time", play: func(s *scene) {
			s.asks(1, "list", "/example.com/m/@v/list")
			s.fetches(2, "f", "/example.com/m/@v/list", "list")
			s.ends(3, 4, "f")
			s.ends(5, 6, "list")
		}, want: map[string]string{"list": "bypass"}},
		{name: "a checksum look-up is no proof of a miss", play: func(s *scene) {
			cold(s)
			s.asks(20, "second", mod)
			s.fetches(21, "l", "/sumdb/sum.golang.org/lookup/example.com/m@v1.0.0", "second")
			s.ends(22, 23, "l")
			s.ends(24, 25, "second")
		}, want: map[string]string{"first": "miss", "second": "hit"}},
		{name: "who left before the answer is unknown", play: func(s *scene) {
			cold(s)
			s.asks(20, "second", mod)
			s.ends(0, 21, "second")
		}, want: map[string]string{"first": "miss", "second": "unknown"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := new(scene)
			tt.play(s)
			assert.Equal(t, tt.want, s.verdicts(tt.settings))
			assert.Equal(t, tt.want, s.verdicts(tt.settings), "a replay tells the same")
		})
	}
}

func TestProxyThatFetchesInParallelCoalescesNothing(t *testing.T) {
	s := new(scene)
	s.asks(1, "a", zip)
	s.asks(1, "b", zip)
	s.fetches(2, "f", zip, "a")
	s.fetches(2, "g", zip, "b")
	s.asks(40, "c", zip)
	s.ends(30, 38, "f")
	s.ends(41, 42, "c") // stored by now, so it was served at once
	s.ends(51, 56, "g")
	s.ends(60, 61, "a")
	s.ends(60, 61, "b")
	s.sort()
	assert.Equal(t, map[string]string{"a": "miss", "b": "miss", "c": "hit"}, s.verdicts(JoinSettings{}))
}

func TestJoinForgets(t *testing.T) {
	s := NewSettler(time.Second, JoinSettings{Egress: true, Memory: time.Hour}, func(Settled) {})
	id := uint64(0)
	for i := exchange.Time(1); i <= 2000; i++ {
		id += 2
		path := fmt.Sprintf("/example.com/m/@v/v1.0.%d.zip", i)
		in := &exchange.Begin{ID: id, Time: i * ms, Path: path, Request: goproxy.Parse(path), Span: span(fmt.Sprint("i", i))}
		out := &exchange.Begin{ID: id + 1, Time: i * ms, Side: exchange.Egress, Path: path, Request: in.Request, Span: span(fmt.Sprint("e", i)), Cause: in.Span.SpanID}
		s.Add(exchange.Record{Kind: exchange.KindBegin, Time: i * ms, Begin: in})
		s.Add(exchange.Record{Kind: exchange.KindBegin, Time: i * ms, Begin: out})
		s.Add(exchange.Record{Kind: exchange.KindEnd, Time: i * ms, End: &exchange.End{ID: out.ID, Time: i * ms, FirstByte: i * ms}})
		s.Add(exchange.Record{Kind: exchange.KindEnd, Time: i * ms, End: &exchange.End{ID: in.ID, Time: i * ms, FirstByte: i * ms}})
	}
	s.Add(tick(1000 * second))
	assert.Empty(t, s.join.bySpan)
	assert.Empty(t, s.join.versions)
	assert.Empty(t, s.join.fetches)
}

func TestEvidenceOfHeaders(t *testing.T) {
	hit := exchange.CacheEvidence{Headers: []exchange.Header{{Name: "X-Cache-Status", Value: "HIT"}}}
	assert.Equal(t, Verdict{Result: exchange.Hit, Evidence: EvidenceHeader, Outcome: OK}, Judge(&exchange.End{Status: 200, Cache: hit}))

	var got []Verdict
	s := NewSettler(time.Second, JoinSettings{Egress: true, Memory: time.Hour}, func(x Settled) { got = append(got, x.Verdict) })
	in := &exchange.Begin{ID: 1, Time: 1 * ms, Path: mod, Request: goproxy.Parse(mod), Span: span("in")}
	out := &exchange.Begin{ID: 2, Time: 2 * ms, Side: exchange.Egress, Path: mod, Request: goproxy.Parse(mod), Span: span("out"), Cause: in.Span.SpanID}
	s.Add(exchange.Record{Kind: exchange.KindBegin, Time: in.Time, Begin: in})
	s.Add(exchange.Record{Kind: exchange.KindBegin, Time: out.Time, Begin: out})
	s.Add(exchange.Record{Kind: exchange.KindEnd, Time: 3 * ms, End: &exchange.End{ID: 2, Time: 3 * ms, FirstByte: 3 * ms, Status: 200}})
	s.Add(exchange.Record{Kind: exchange.KindEnd, Time: 5 * ms, End: &exchange.End{ID: 1, Time: 5 * ms, FirstByte: 4 * ms, Status: 200, Cache: hit}})
	s.Add(tick(100 * second))
	require.Len(t, got, 2)
	assert.Equal(t, exchange.Miss, got[1].Result, "what we saw is stronger than what a header says")
	assert.Equal(t, EvidenceEgress, got[1].Evidence)
	assert.True(t, got[1].Conflict)
}

func TestWiringIsBounded(t *testing.T) {
	w := newWiring(time.Hour)
	for i := range exchange.Time(maxWiring + 10) {
		w.see(fmt.Sprint("m", i), i+1)
	}
	assert.LessOrEqual(t, len(w.Modules), maxWiring)
	assert.False(t, w.seen("m0", maxWiring), "the longest unseen goes first")
}
