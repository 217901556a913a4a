// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// visit is a request of a client, in ms.
type visit struct {
	at, until exchange.Time
	client    string
	scheme    string
	path      string
	status    int
	answer    string
}

// outcomes runs the visits, in order of their begin, and returns what is told of each.
func outcomes(visits ...visit) []Outcome {
	got := make([]Outcome, len(visits))
	s := NewSettler(0, JoinSettings{}, func(x Settled) { got[x.Begin.ID-1] = x.Verdict.Outcome })
	type event struct {
		at exchange.Time
		r  exchange.Record
	}
	var events []event
	for i, v := range visits {
		b := &exchange.Begin{ID: uint64(i + 1), Time: v.at * ms, Path: v.path, Scheme: v.scheme, Client: exchange.Client{Address: v.client}}
		e := &exchange.End{ID: b.ID, Time: v.until * ms, FirstByte: v.until * ms, Status: v.status, Answer: []byte(v.answer)}
		events = append(events, event{b.Time, exchange.Record{Kind: exchange.KindBegin, Time: b.Time, Begin: b}},
			event{e.Time, exchange.Record{Kind: exchange.KindEnd, Time: e.Time, End: e}})
	}
	for now := exchange.Time(0); len(events) > 0; now += ms {
		rest := events[:0]
		for _, e := range events {
			if e.at <= now {
				s.Add(e.r)
			} else {
				rest = append(rest, e)
			}
		}
		events = rest
	}
	return got
}

func TestHabitsOfTheGoCommand(t *testing.T) {
	const a, b, c = "/example.com/a/@v/list", "/example.com/a/b/@v/list", "/example.com/a/b/c/@v/list"
	for _, tt := range []struct {
		name   string
		visits []visit
		want   []Outcome
	}{
		{"a missing module", []visit{{1, 2, "x", "http", c, 404, ""}}, []Outcome{NotFound}},
		{"probing for the module of a package", []visit{
			{1, 5, "x", "http", c, 404, ""}, {2, 6, "x", "http", b, 404, ""}, {2, 4, "x", "http", a, 200, ""},
		}, []Outcome{Probe, Probe, OK}},
		{"another client's question is none of ours", []visit{
			{1, 5, "x", "http", c, 404, ""}, {2, 6, "y", "http", b, 404, ""},
		}, []Outcome{NotFound, NotFound}},
		{"a longer name isn't a path below", []visit{
			{1, 5, "x", "http", "/example.com/a/@v/list", 404, ""}, {2, 6, "x", "http", "/example.com/ab/@v/list", 404, ""},
		}, []Outcome{NotFound, NotFound}},
		{"a file that is gone is no probe", []visit{
			{1, 5, "x", "http", "/example.com/a/b/@v/v1.0.0.zip", 404, ""}, {2, 6, "x", "http", a, 200, ""},
		}, []Outcome{NotFound, OK}},
		{"over HTTPS each 4xx comes twice", []visit{
			{1, 2, "x", "https", c, 404, ""}, {3, 4, "x", "https", c, 404, ""}, {5, 6, "x", "https", c, 404, ""}, {7, 8, "x", "https", c, 404, ""},
		}, []Outcome{NotFound, RetryTwin, NotFound, RetryTwin}},
		{"forbidden ones too", []visit{{1, 2, "x", "https", c, 403, ""}, {3, 4, "x", "https", c, 403, ""}}, []Outcome{Refused, RetryTwin}},
		{"over HTTP there are no twins", []visit{{1, 2, "x", "http", c, 404, ""}, {3, 4, "x", "http", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"long after it is a question of its own", []visit{{1, 2, "x", "https", c, 404, ""}, {3000, 3001, "x", "https", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"a probe's twin", []visit{
			{1, 5, "x", "https", c, 404, ""}, {1, 4, "x", "https", a, 200, ""}, {6, 7, "x", "https", c, 404, ""},
		}, []Outcome{Probe, OK, RetryTwin}},
		{"a checksum failure that is passed on as 404", []visit{
			{1, 2, "x", "http", "/example.com/a/@v/v1.0.0.mod", 404, "not found: verifying module: checksum mismatch\n\tdownloaded: h1:x"},
		}, []Outcome{ChecksumMismatch}},
		{"a 500 is an error", []visit{{1, 2, "x", "https", c, 500, ""}, {3, 4, "x", "https", c, 500, ""}}, []Outcome{UpstreamError, UpstreamError}},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, outcomes(tt.visits...)) })
	}
}

func TestHabitsAreBounded(t *testing.T) {
	h := newHabits()
	list := goproxy.Parse("/example.com/a/@v/list")
	for i := range exchange.Time(3 * maxClients) {
		h.begin(&exchange.Begin{ID: uint64(i), Time: i * exchange.Time(time.Millisecond), Path: "/example.com/a/@v/list", Client: exchange.Client{Address: fmt.Sprint(i)}}, list)
	}
	assert.LessOrEqual(t, len(h.clients), maxClients)
	for i := range 10 * maxAsked {
		h.begin(&exchange.Begin{ID: uint64(i), Time: 1, Path: "/example.com/a/@v/list", Client: exchange.Client{Address: "one"}}, list)
	}
	assert.LessOrEqual(t, len(h.clients["one"]), maxAsked)
}

func TestPartsBelongToTheDownloadThatTheyResume(t *testing.T) {
	const zipPath = "/example.com/m/@v/v1.0.0.zip"
	var got []exchange.SpanID
	s := NewSettler(0, JoinSettings{}, func(x Settled) { got = append(got, x.Verdict.Resumes.SpanID) })
	part := func(id uint64, at exchange.Time, client string, status int, how exchange.Disposition, size int64) {
		b := &exchange.Begin{ID: id, Time: at, Path: zipPath, Client: exchange.Client{Address: client}, Span: span(fmt.Sprint("s", id))}
		b.Span.TraceID = exchange.TraceID{1}
		s.Add(exchange.Record{Kind: exchange.KindBegin, Time: at, Begin: b})
		s.Add(exchange.Record{Kind: exchange.KindEnd, Time: at, End: &exchange.End{ID: id, Time: at, FirstByte: at, Status: status, Disposition: how, BodySize: size}})
	}
	first := span("s1").SpanID
	part(1, 1*second, "a", 200, exchange.ClientGone, 100)
	part(2, 2*second, "b", 206, exchange.Complete, 100) // another client's part
	part(3, 3*second, "a", 206, exchange.UpstreamBroke, 50)
	part(4, 4*second, "a", 206, exchange.Complete, 50)
	part(5, 5*second, "a", 206, exchange.Complete, 50) // of a download that is whole
	part(6, 6*second, "a", 200, exchange.ClientGone, 100)
	part(7, 7*second, "a", 200, exchange.Complete, 100) // from the start again
	part(8, 8*second, "a", 200, exchange.ClientGone, 100)
	part(9, 2000*second, "a", 206, exchange.Complete, 50) // too late
	none := exchange.SpanID{}
	assert.Equal(t, []exchange.SpanID{none, none, first, first, none, none, none, none, none}, got)
}

func TestDownloadsAreBounded(t *testing.T) {
	d := newDownloads()
	for i := range 3 * maxBroken {
		d.judge(&exchange.Begin{Path: strconv.Itoa(i)}, &exchange.End{Disposition: exchange.ClientGone, BodySize: 1}, new(Verdict))
	}
	assert.LessOrEqual(t, len(d.broken), maxBroken)
}
