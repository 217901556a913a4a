// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// spanOf makes a span of a name, in a trace of its own.
func spanOf(name string) exchange.Span {
	var s exchange.Span
	copy(s.TraceID[:], "trace "+name)
	copy(s.SpanID[:], name)
	return s
}

func hopOf(name string) (id exchange.SpanID) {
	copy(id[:], "hop "+name)
	return id
}

func waiting(t *InFlight, name, path string) *Waiting {
	return t.Begin(spanOf(name), exchange.Session{}, goproxy.Parse(path), hopOf(name))
}

const (
	modFile  = "/example.com/m/@v/v1.0.0.mod"
	zipFile  = "/example.com/m/@v/v1.0.0.zip"
	listFile = "/example.com/m/@v/list"
	lookup   = "/sumdb/sum.golang.org/lookup/example.com/m@v1.0.0"
	tile     = "/sumdb/sum.golang.org/tile/8/0/000"
)

func TestCause(t *testing.T) {
	type ask struct {
		conn, path string
		remote     exchange.Span
		want       string // names the cause; "?a b" names candidates; "" none
	}
	passedOn := exchange.Span{TraceID: spanOf("b").TraceID, SpanID: hopOf("b")}
	for _, tt := range []struct {
		name    string
		waiting map[string]string
		order   []string
		asks    []ask
	}{
		{"nobody waits", nil, nil, []ask{{"1", modFile, exchange.Span{}, ""}}},
		{"our trace context, passed on, decides", map[string]string{"a": modFile, "b": "/example.com/other/@v/v1.0.0.mod"}, []string{"a", "b"}, []ask{{"1", modFile, passedOn, "b"}}},
		{"a foreign trace context doesn't", map[string]string{"a": modFile}, []string{"a"}, []ask{{"1", modFile, spanOf("x"), "a"}}},
		{"the same file", map[string]string{"a": zipFile, "b": modFile}, []string{"a", "b"}, []ask{{"1", modFile, exchange.Span{}, "b"}}},
		{"below a prefix", map[string]string{"a": "/api/go/repo" + modFile}, []string{"a"}, []ask{{"1", modFile, exchange.Span{}, "a"}}},
		{
			"n requests cause at most n fetches, the earliest first",
			map[string]string{"a": modFile, "b": modFile},
			[]string{"a", "b"},
			[]ask{{"1", modFile, exchange.Span{}, "a"}, {"2", modFile, exchange.Span{}, "b"}, {"3", modFile, exchange.Span{}, "a"}},
		},
		{
			"the version's other files go to whom it is fetched for",
			map[string]string{"a": modFile, "b": "/example.com/m/@v/v1.0.0.info"},
			[]string{"a", "b"},
			[]ask{{"1", "/example.com/m/@v/v1.0.0.info", exchange.Span{}, "b"}, {"1", zipFile, exchange.Span{}, "b"}},
		},
		{"a list may fetch any version", map[string]string{"a": listFile, "b": zipFile}, []string{"a", "b"}, []ask{{"1", modFile, exchange.Span{}, "?a b"}}},
		{"a list alone is the cause", map[string]string{"a": listFile}, []string{"a"}, []ask{{"1", modFile, exchange.Span{}, "a"}}},
		{"a look-up names its module", map[string]string{"a": "/example.com/other/@v/v1.0.0.mod", "b": modFile}, []string{"a", "b"}, []ask{{"1", lookup, exchange.Span{}, "b"}}},
		{
			"tiles are told apart by connection",
			map[string]string{"a": "/example.com/other/@v/v1.0.0.mod", "b": modFile},
			[]string{"a", "b"},
			[]ask{
				{"1", "/example.com/other/@v/v1.0.0.mod", exchange.Span{}, "a"},
				{"2", lookup, exchange.Span{}, "b"},
				{"2", tile, exchange.Span{}, "b"},
				{"1", tile, exchange.Span{}, "a"},
				{"3", tile, exchange.Span{}, "?a b"},
			},
		},
		{"a tile on a new connection belongs to the only one who fetches", map[string]string{"a": zipFile, "b": modFile}, []string{"a", "b"}, []ask{{"1", lookup, exchange.Span{}, "a"}, {"2", tile, exchange.Span{}, "a"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := new(InFlight)
			for _, name := range tt.order {
				waiting(table, name, tt.waiting[name])
			}
			for _, a := range tt.asks {
				c := table.Cause(a.conn, a.remote, goproxy.Parse(a.path))
				got := name(c.Span)
				if len(c.Candidates) > 0 {
					var names []string
					for _, s := range c.Candidates {
						names = append(names, name(s))
					}
					got = "?" + strings.Join(names, " ")
				}
				assert.Equal(t, a.want, got, a.path)
			}
		})
	}
}

func name(s exchange.Span) string {
	n := 0
	for n < len(s.SpanID) && s.SpanID[n] != 0 {
		n++
	}
	return string(s.SpanID[:n])
}

func TestWhoHasBeenAnsweredCausesNothing(t *testing.T) {
	table := new(InFlight)
	w := waiting(table, "a", modFile)
	assert.Equal(t, "a", name(table.Cause("1", exchange.Span{}, goproxy.Parse(lookup)).Span))
	w.Answered()
	w.Answered()
	assert.Equal(t, Cause{}, table.Cause("1", exchange.Span{}, goproxy.Parse(modFile)))
	assert.Equal(t, Cause{}, table.Cause("1", exchange.Span{}, goproxy.Parse(tile)))
	table.Closed("1")
	assert.Empty(t, table.byFile)
	assert.Empty(t, table.byModule)
	assert.Empty(t, table.bySpan)
	assert.Empty(t, table.fetching)
	assert.Empty(t, table.conns)
}

// TestBackgroundFetchIsNobodyElses: W6, a proxy that answers from its cache and renews
// what it has meanwhile passes the trace context of the answered request on.
func TestBackgroundFetchIsNobodyElses(t *testing.T) {
	table := new(InFlight)
	waiting(table, "a", modFile).Answered()
	waiting(table, "b", modFile)
	waiting(table, "c", zipFile)
	passedOn := exchange.Span{TraceID: spanOf("a").TraceID, SpanID: hopOf("a")}
	for _, path := range []string{modFile, zipFile} {
		assert.Equal(t, "a", name(table.Cause("1", passedOn, goproxy.Parse(path)).Span))
	}
	assert.Empty(t, table.fetching)
	for i := range 2 * maxGone {
		waiting(table, strconv.Itoa(i), listFile).Answered()
	}
	assert.Len(t, table.gone.bySpan, maxGone)
	assert.Equal(t, "b", name(table.Cause("1", passedOn, goproxy.Parse(modFile)).Span), "it is long ago")
}

func TestUnderKeepsTheTrace(t *testing.T) {
	cause := Cause{Span: spanOf("a")}
	span, _, id := Under(cause, exchange.Span{})
	assert.Equal(t, cause.Span.TraceID, span.TraceID)
	assert.Equal(t, cause.Span.SpanID, span.ParentID)
	assert.Equal(t, cause.Span.SpanID, id)

	remote := exchange.Span{TraceID: cause.Span.TraceID, SpanID: hopOf("a")}
	span, _, id = Under(cause, remote)
	assert.Equal(t, remote.SpanID, span.ParentID, "below the hop that the proxy passed on")
	assert.Equal(t, cause.Span.SpanID, id)
}

func TestInFlightIsSafeForConcurrentUse(t *testing.T) {
	table := new(InFlight)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				path := fmt.Sprintf("/example.com/m%d/@v/v1.0.0.mod", i%5)
				w := table.Begin(exchange.Span{TraceID: newTraceID(), SpanID: NewSpanID()}, exchange.Session{}, goproxy.Parse(path), NewSpanID())
				table.Cause(strconv.Itoa(g), exchange.Span{}, goproxy.Parse(path))
				w.Answered()
			}
			table.Closed(strconv.Itoa(g))
		})
	}
	wg.Wait()
	assert.Empty(t, table.byFile)
	assert.Empty(t, table.bySpan)
}

func BenchmarkInFlight(b *testing.B) {
	table := new(InFlight)
	request := goproxy.Parse(modFile)
	b.ReportAllocs()
	for b.Loop() {
		w := table.Begin(exchange.Span{TraceID: exchange.TraceID{1}, SpanID: NewSpanID()}, exchange.Session{}, request, NewSpanID())
		w.Answered()
	}
}
