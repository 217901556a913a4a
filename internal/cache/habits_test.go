// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// visit is a request of a client, in ms.
type visit struct {
	at, until exchange.Time
	client    string // a session's name, and behind a slash the connection's, if it isn't the only one
	scheme    string // h2 is https over HTTP/2
	path      string
	status    int
	answer    string
}

func (v *visit) begin(id uint64) *exchange.Begin {
	b := &exchange.Begin{
		ID: id, Time: v.at * ms, Method: "GET", Path: v.path, Request: goproxy.Parse(v.path), Scheme: v.scheme, Protocol: "1.1", UserAgent: "Go-http-client/1.1", Client: exchange.Client{Address: "192.0.2.1"},
	}
	if v.scheme == "h2" {
		b.Scheme, b.Protocol, b.UserAgent = "https", "2", "Go-http-client/2.0"
	}
	session, _, _ := strings.Cut(v.client, "/")
	b.Session = exchange.Session{ID: exchange.TraceID(fmt.Appendf(nil, "%16s", session)), Inferred: !strings.HasPrefix(session, "told"), Root: exchange.SpanID{1}}
	if !strings.HasSuffix(v.client, "/") {
		b.Connection = xxhash.Sum64String(v.client)
	}
	return b
}

// outcomes runs the visits, in order of their begin, and returns what is told of each.
func outcomes(visits ...visit) []Outcome {
	got := make([]Outcome, len(visits))
	s := NewSettler(2*time.Second, JoinSettings{}, func(x Settled) { got[x.Begin.ID-1] = x.Verdict.Outcome })
	type event struct {
		at exchange.Time
		r  exchange.Record
	}
	var events []event
	for i, v := range visits {
		b := v.begin(uint64(i + 1))
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
	s.Add(exchange.Record{Kind: exchange.KindTick, Time: 1 << 60})
	return got
}

func TestHabitsOfTheGoCommand(t *testing.T) {
	const (
		host, a, b, c = "/example.com/@v/list", "/example.com/a/@v/list", "/example.com/a/b/@v/list", "/example.com/a/b/c/@v/list"
		zip           = "/example.com/a/b/@v/v1.0.0.zip"
	)
	version := func(module, version string) string { return "/example.com/" + module + "/@v/" + version + ".info" }
	for _, tt := range []struct {
		name   string
		visits []visit
		want   []Outcome
	}{
		{"a missing module", []visit{{1, 2, "x", "http", c, 404, ""}}, []Outcome{NotFound}},
		{"the module of a package", []visit{
			{1, 5, "x", "http", c, 404, ""}, {2, 6, "x", "http", b, 200, ""}, {2, 4, "x", "http", a, 404, ""}, {3, 4, "x", "http", host, 404, ""},
		}, []Outcome{Probe, OK, Probe, Probe}},
		{"the module of a package, with a mirror that answers empty lists", []visit{
			{1, 900, "x", "http", c, 200, ""},
			{2, 400, "x", "http", b, 200, ""},
			{2, 700, "x", "http", a, 200, ""},
			{3, 4, "x", "http", host, 404, ""},
			{901, 905, "x", "http", "/example.com/a/b/c/@latest", 404, ""},
			{701, 1000, "x", "http", "/example.com/a/@latest", 404, ""},
		}, []Outcome{OK, OK, OK, Probe, Probe, Probe}},
		{"a module's path itself", []visit{
			{1, 5, "x", "http", b, 200, ""}, {2, 4, "x", "http", a, 404, ""}, {3, 4, "x", "http", host, 410, ""},
		}, []Outcome{OK, Probe, Probe}},
		{"slow answers", []visit{
			{1, 60_000, "x", "http", c, 404, ""}, {2, 20_000, "x", "http", b, 200, ""}, {2, 40_000, "x", "http", a, 404, ""}, {3, 4, "x", "http", host, 404, ""},
		}, []Outcome{Probe, OK, Probe, Probe}},
		{"one version of it", []visit{
			{1, 5, "x", "http", version("a/b/c", "v1.0.0"), 404, ""},
			{2, 6, "x", "http", version("a/b", "v1.0.0"), 200, ""},
			{2, 4, "x", "http", version("a", "v1.0.0"), 404, ""},
			{3, 4, "x", "http", "/example.com/@v/v1.0.0.info", 404, ""},
		}, []Outcome{Probe, OK, Probe, Probe}},
		{"what nothing provides isn't found, once", []visit{
			{1, 5, "x", "http", c, 404, ""}, {2, 6, "x", "http", b, 404, ""}, {2, 4, "x", "http", a, 404, ""}, {3, 4, "x", "http", host, 404, ""},
		}, []Outcome{NotFound, Probe, Probe, Probe}},
		{"an import of a host that was asked before", []visit{
			{1, 2, "x", "http", host, 404, ""},
			{1, 2, "x", "http", "/example.com/z/@v/list", 200, ""},
			{5000, 5002, "x", "http", a, 404, ""},
			{5001, 5002, "x", "http", b, 200, ""},
		}, []Outcome{Probe, OK, Probe, OK}},
		{"a fork of gopkg.in is no module above", []visit{
			{1, 5, "x", "http", "/gopkg.in/a/yaml.v3/@v/list", 200, ""}, {2, 6, "x", "http", "/gopkg.in/@v/list", 404, ""},
		}, []Outcome{OK, Probe}},

		// What looks like it.
		{"a version that is gone, and its parent was just asked", []visit{
			{1, 2, "x", "h2", version("a/b", "v1.0.0"), 200, ""}, {3, 4, "x", "h2", version("a/b/v9", "v9.0.0"), 404, ""},
		}, []Outcome{OK, NotFound}},
		{"of two dependencies the longer one is gone", []visit{
			{1, 2, "x", "h2", version("a/b", "v1.0.0"), 200, ""}, {1, 2, "x", "h2", version("a/b/c", "v1.0.0"), 404, ""},
		}, []Outcome{OK, NotFound}},
		{"of two dependencies the shorter one is gone", []visit{
			{1, 2, "x", "h2", version("a/b", "v1.0.0"), 404, ""}, {1, 2, "x", "h2", version("a/b/c", "v1.0.0"), 200, ""},
		}, []Outcome{NotFound, OK}},
		{"lists of dependencies", []visit{
			{1, 2, "x", "http", a, 200, ""}, {1, 2, "x", "http", b, 404, ""}, {1, 2, "x", "http", c, 404, ""},
		}, []Outcome{OK, NotFound, NotFound}},
		{"a dependency below the host's own module", []visit{
			{1, 2, "x", "http", host, 200, ""}, {1, 2, "x", "http", a, 404, ""},
		}, []Outcome{OK, NotFound}},
		{"of one host's dependencies one is gone, after a question", []visit{
			{1, 2, "x", "http", host, 404, ""},
			{1, 2, "x", "http", "/example.com/z/@v/list", 200, ""},
			{500, 502, "x", "http", a, 200, ""},
			{501, 502, "x", "http", b, 404, ""},
		}, []Outcome{Probe, OK, OK, NotFound}},
		{"the host's own module is gone, and required", []visit{
			{1, 2, "x", "http", "/example.com/@v/v1.0.0.mod", 200, ""},
			{1, 2, "x", "http", "/example.com/a/@v/v1.0.0.mod", 200, ""},
			{5, 6, "x", "http", host, 404, ""},
			{5, 6, "x", "http", a, 200, ""},
		}, []Outcome{OK, OK, NotFound, OK}},
		{"strangers' questions, one address", []visit{
			{1, 5, "x", "http", c, 404, ""}, {2, 6, "y", "http", b, 200, ""}, {2, 6, "z", "http", a, 404, ""}, {2, 6, "w", "http", host, 404, ""},
		}, []Outcome{NotFound, OK, NotFound, NotFound}},
		{"strangers on HTTP/2, taken for one session", []visit{
			{1, 5, "x/1", "h2", c, 404, ""}, {2, 6, "x/2", "h2", b, 200, ""}, {2, 6, "x/2", "h2", a, 404, ""}, {2, 6, "x/2", "h2", host, 404, ""},
		}, []Outcome{NotFound, OK, Probe, Probe}},
		{"two that ask the same at once, taken for one session", []visit{
			{1, 5, "x", "http", a, 404, ""}, {2, 6, "x", "http", b, 200, ""}, {2, 6, "x", "http", a, 404, ""}, {2, 6, "x", "http", host, 404, ""},
		}, []Outcome{NotFound, OK, NotFound, Probe}},
		{"one after another", []visit{
			{1, 2, "x", "h2", host, 404, ""}, {300, 301, "x", "h2", a, 404, ""}, {600, 601, "x", "h2", b, 200, ""},
		}, []Outcome{NotFound, NotFound, OK}},
		{"a longer name isn't a path below", []visit{
			{1, 5, "x", "http", host, 404, ""}, {1, 5, "x", "http", a, 404, ""}, {2, 6, "x", "http", "/example.com/ab/@v/list", 404, ""},
		}, []Outcome{Probe, NotFound, NotFound}},
		{"a file that is gone", []visit{{1, 5, "x", "http", zip, 404, ""}, {2, 6, "x", "http", a, 200, ""}}, []Outcome{NotFound, OK}},

		{"a question that can't be answered", []visit{
			{1, 5, "x", "http", b, 200, ""}, {2, 4, "x", "http", a, 404, "not found: fetch timed out"}, {3, 4, "x", "http", host, 404, ""},
		}, []Outcome{OK, NotFound, Probe}},

		// Twins.
		{"over HTTPS each 4xx comes twice", []visit{
			{1, 2, "x", "h2", c, 404, ""}, {3, 4, "x", "h2", c, 404, ""}, {5, 6, "x", "h2", c, 404, ""}, {7, 8, "x", "h2", c, 404, ""},
		}, []Outcome{NotFound, RetryTwin, NotFound, RetryTwin}},
		{"forbidden ones too, and files", []visit{
			{1, 2, "x", "h2", zip, 403, ""}, {3, 4, "x", "h2", zip, 403, ""}, {5, 6, "x", "h2", zip, 410, ""}, {7, 8, "x", "h2", zip, 410, ""},
		}, []Outcome{Denied, RetryTwin, NotFound, RetryTwin}},
		{"a probe's twin", []visit{
			{1, 5, "x", "h2", a, 404, ""}, {1, 4, "x", "h2", b, 200, ""}, {1, 4, "x", "h2", host, 404, ""}, {6, 7, "x", "h2", a, 404, ""}, {6, 7, "x", "h2", host, 404, ""},
		}, []Outcome{Probe, OK, Probe, RetryTwin, RetryTwin}},
		{"modtap-goauth names the command: on another connection too", []visit{
			{1, 2, "told/1", "https", c, 404, ""}, {3, 4, "told/2", "https", c, 404, ""},
		}, []Outcome{NotFound, RetryTwin}},
		{"over HTTP there are none", []visit{{1, 2, "x", "http", c, 404, ""}, {3, 4, "x", "http", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"another client's, one address", []visit{{1, 2, "x/1", "h2", c, 404, ""}, {3, 4, "y/2", "h2", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"another client's, taken for one session", []visit{{1, 2, "x/1", "h2", c, 404, ""}, {3, 4, "x/2", "h2", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"another client's over HTTP/1.1, taken for one session", []visit{{1, 2, "x/1", "https", c, 404, ""}, {3, 4, "x/2", "https", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"another client's over HTTP/1.1, on a connection of a proxy", []visit{{1, 2, "x", "https", c, 404, ""}, {3, 4, "x", "https", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"behind a proxy nobody's connection is known", []visit{{1, 2, "x/", "h2", c, 404, ""}, {3, 4, "x/", "h2", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"at the same time, on a connection that is shared", []visit{{1, 5, "x", "h2", c, 404, ""}, {3, 6, "x", "h2", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"later, on a connection that is shared", []visit{{1, 2, "x", "h2", c, 404, ""}, {700, 701, "x", "h2", c, 404, ""}}, []Outcome{NotFound, NotFound}},
		{"the second time it is forbidden", []visit{{1, 2, "x", "h2", c, 404, ""}, {3, 4, "x", "h2", c, 403, ""}}, []Outcome{NotFound, Denied}},

		{"a checksum failure that is passed on as 404", []visit{
			{1, 2, "x", "http", "/example.com/a/@v/v1.0.0.mod", 404, "not found: verifying module: checksum mismatch\n\tdownloaded: h1:x"},
		}, []Outcome{ChecksumMismatch}},
		{"a 500 is an error", []visit{{1, 2, "x", "h2", c, 500, ""}, {3, 4, "x", "h2", c, 500, ""}}, []Outcome{UpstreamError, UpstreamError}},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, outcomes(tt.visits...)) })
	}
}

func TestHabitsAreBounded(t *testing.T) {
	h := newHabits()
	begin := func(id, at int, session string) {
		v := visit{at: exchange.Time(at), client: session, scheme: "http", path: "/example.com/a/@v/list"}
		h.begin(v.begin(uint64(id)))
	}
	for i := range 3 * maxCommands {
		begin(i, i, strconv.Itoa(i))
		require.LessOrEqual(t, len(h.commands), maxCommands)
	}
	for i := range 10 * maxAsked {
		begin(i, 1, "one")
	}
	for _, c := range h.commands {
		assert.LessOrEqual(t, len(c.Asked), maxAsked)
	}
	for i := range 2 * maxAskedAll { // many commands, each with much
		begin(i, 1, strconv.Itoa(i%100))
		require.LessOrEqual(t, h.all, maxAskedAll)
	}
	kept := h.all
	h.count()
	assert.Equal(t, h.all, kept)
}

func TestPartsBelongToTheDownloadThatTheyResume(t *testing.T) {
	const zipPath = "/example.com/m/@v/v1.0.0.zip"
	var got []exchange.SpanID
	s := NewSettler(0, JoinSettings{}, func(x Settled) { got = append(got, x.Verdict.Resumes.SpanID) })
	part := func(id uint64, at exchange.Time, client string, status int, how exchange.Disposition, size int64) {
		b := &exchange.Begin{ID: id, Time: at, Path: zipPath, Request: goproxy.Parse(zipPath), Client: exchange.Client{Address: client}, Span: span(fmt.Sprint("s", id))}
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
