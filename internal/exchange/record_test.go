// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/goproxy"
)

func fullBegin() *Begin {
	return &Begin{
		ID: 7, Time: 1234567890123456789, Side: Egress, Method: "GET", Path: "/github.com/pkg/errors/@v/v0.9.1.mod",
		Request: goproxy.Request{Operation: goproxy.Mod, Module: "github.com/pkg/errors", Version: "v0.9.1"},
		Scheme:  "https", ServerAddress: "127.0.0.1", ServerPort: 8081, Protocol: "1.1",
		Client: Client{Address: "::1", Port: 40000, Name: "ann"}, UserAgent: "Go-http-client/1.1",
		Span:    Span{TraceID: TraceID{1}, SpanID: SpanID{2}, ParentID: SpanID{3}, Flags: 1, State: "modtap=root"},
		Session: Session{ID: TraceID{1}, Inferred: true, Root: SpanID{10}, RootParent: SpanID{11}, Held: true}, Cause: SpanID{6},
		CI:         CI{System: "gitlab", Pipeline: "p", PipelineRun: "1", PipelineURL: "https://ci/1", Job: "j", JobRun: "2", JobURL: "https://ci/2"},
		Candidates: []Span{{TraceID: TraceID{7}, SpanID: SpanID{8}}},
		Connection: 12,
		ClientKey:  ClientKey{1, 2, 3, 4, 5, 6, 7, 8},
		Offset:     -3 * time.Second,
	}
}

func fullEnd() *End {
	return &End{
		ID: 7, Time: 1234567890123456999, FirstByte: 1234567890123456800, Status: 200, BodySize: 1 << 40,
		Disposition: ClientGone, Error: "timeout",
		Cache: CacheEvidence{Embedded: Miss, MissReason: "cold", Headers: []Header{{"X-Cache", "HIT"}}},
		Attempts: []Attempt{
			{
				Start: 5, Duration: time.Second, FirstByte: time.Millisecond, Span: Span{SpanID: SpanID{9}}, Method: "GET",
				URL: "https://proxy.example/x", Address: "proxy.example", Port: 443, Status: 404, BodySize: 12, Reason: "not_found", Resend: 1,
			},
			{Start: 6, Error: "connection_refused", Direct: true},
		},
		Cause:  Span{TraceID: TraceID{4}, SpanID: SpanID{5}},
		Answer: []byte(`{"Version":"v0.9.1"}`),
		Leak:   "*.corp.example",
		Phases: []Part{
			{Phase: PhaseVerify, Start: 1234567890123456790, End: 1234567890123456890, Duration: 60},
			{Phase: PhaseSend, Start: 1234567890123456890, End: 1234567890123456999, Duration: 109},
		},
	}
}

// with returns a copy of v with a change.
func with[T any](v *T, change func(*T)) *T {
	c := *v
	change(&c)
	return &c
}

func TestRecordRoundTrip(t *testing.T) {
	b, e := fullBegin(), fullEnd()
	start := Start{Time: 3, Run: "run", Settings: []byte("settings"), Continues: true}
	whole := goldenExchange(shape)
	older := map[string][]int{ // where an older record of the same may end
		"start": {len(AppendStart(nil, Start{Run: start.Run})), len(AppendStart(nil, Start{Run: start.Run, Settings: start.Settings}))},
		"left":  {len(AppendTick(nil, 9))},
		"mark":  {len(AppendTick(nil, 9)), len(AppendLeft(nil, 9, Session{}))},
		"exchange": {
			len(AppendExchange(nil, &Record{Begin: whole.Begin, End: whole.End})),
			len(AppendExchange(nil, &Record{Begin: whole.Begin, End: whole.End, SessionKey: whole.SessionKey})),
		},
		"end": {len(AppendEnd(nil, with(e, func(e *End) { e.Phases = nil })))},
	}
	fixed := len(AppendBegin(nil, with(b, func(b *Begin) { b.ClientKey, b.Offset = ClientKey{}, 0 })))
	older["begin"] = []int{fixed, fixed - 1, fixed - 2, len(AppendBegin(nil, with(b, func(b *Begin) { b.Offset = 0 })))}
	for name, tt := range map[string]struct {
		rec  []byte
		want Record
	}{
		"start":    {AppendStart(nil, start), Record{Kind: KindStart, Time: 3, Start: start}},
		"tick":     {AppendTick(nil, 9), Record{Kind: KindTick, Time: 9}},
		"left":     {AppendLeft(nil, 9, Session{ID: TraceID{1}, Root: SpanID{2}}), Record{Kind: KindTick, Time: 9, Left: Session{ID: TraceID{1}, Root: SpanID{2}}}},
		"mark":     {AppendMark(nil, 9, whole.Mark), Record{Kind: KindTick, Time: 9, Mark: whole.Mark}},
		"stop":     {AppendStop(nil, 9), Record{Kind: KindStop, Time: 9}},
		"exchange": {AppendExchange(nil, &whole), whole},
		"begin":    {AppendBegin(nil, b), Record{Kind: KindBegin, Time: b.Time, Begin: b}},
		"end":      {AppendEnd(nil, e), Record{Kind: KindEnd, Time: e.Time, End: e}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(tt.rec)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			whole := func(n int) bool { return slices.Contains(older[name], n) }
			for n := range tt.rec {
				if whole(n) {
					continue // that is an older record: the journal knows a torn one by its checksum
				}
				_, err := Decode(tt.rec[:n])
				require.ErrorIs(t, err, ErrRecord, "a record torn at byte %d", n)
			}
		})
	}
}

func TestLongValuesAreCutAndMarked(t *testing.T) {
	b := fullBegin()
	b.Path = "/" + strings.Repeat("é", 40_000)
	r, err := Decode(AppendBegin(nil, b))
	require.NoError(t, err)
	assert.LessOrEqual(t, len(r.Begin.Path), maxPath)
	assert.True(t, strings.HasSuffix(r.Begin.Path, "é"+CutMark))
	assert.True(t, utf8.ValidString(r.Begin.Path))
}

func TestLargestRecordFits(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	e := &End{Error: long, Answer: []byte(long)}
	for range 100 {
		e.Cache.Headers = append(e.Cache.Headers, Header{long, long})
		e.Attempts = append(e.Attempts, Attempt{URL: long, Address: long[:60], Method: "GET", Error: long[:20], Reason: long[:20]})
	}
	for p := range Phases {
		e.Phases = append(e.Phases, Part{Phase: p, Start: -1 << 63, End: 1<<63 - 1, Duration: 1<<63 - 1})
	}
	rec := AppendEnd(nil, e)
	require.LessOrEqual(t, len(rec), maxRecord)
	r, err := Decode(rec)
	require.NoError(t, err)
	assert.Len(t, r.End.Attempts, maxAttempts)
}

// TestLargestExchangeFits: a record of both is no longer than one of either may be.
func TestLargestExchangeFits(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	span := Span{State: strings.Repeat("a=b,", 1000)}
	e := &End{
		Time: -1 << 63, FirstByte: -1 << 63, Status: -1 << 63, BodySize: -1 << 63, Error: long, Answer: []byte(long), Leak: long, Cause: span,
		Cache: CacheEvidence{Embedded: CacheResult(long), MissReason: long},
	}
	for range 100 {
		e.Cache.Headers = append(e.Cache.Headers, Header{long, long})
		e.Attempts = append(e.Attempts, Attempt{
			Duration: -1 << 63, FirstByte: -1 << 63, Span: span, Method: long, URL: long, Address: long, Port: 1<<16 - 1, Status: -1 << 63,
			Error: long, BodySize: -1 << 63, Reason: long, Resend: -1 << 63, Origin: long, OriginPort: 1<<16 - 1,
		})
	}
	for p := range Phases {
		e.Phases = append(e.Phases, Part{Phase: p, Start: -1 << 63, End: 1<<63 - 1, Duration: 1<<63 - 1})
	}
	b := &Begin{
		ID: 1<<64 - 1, Method: long, Path: long, Scheme: long, ServerAddress: long, ServerPort: 1<<16 - 1, Protocol: long,
		Client: Client{Address: long, Port: 1<<16 - 1, Name: long}, UserAgent: long, Span: span, Connection: 1<<64 - 1, Offset: 1, ClientKey: ClientKey{1},
		CI: CI{System: long, Pipeline: long, PipelineRun: long, PipelineURL: long, Job: long, JobRun: long, JobURL: long},
	}
	for range 100 {
		b.Candidates = append(b.Candidates, span)
	}
	r := Record{Begin: b, End: e, SessionKey: make([]byte, MaxSessionKey), Mark: Mark{Source: long[:MaxSource], At: make([]byte, MaxMark)}}
	rec := AppendExchange(nil, &r)
	require.LessOrEqual(t, len(rec), maxRecord)
	got, err := Decode(rec)
	require.NoError(t, err)
	assert.Len(t, got.End.Attempts, maxWholeAttempts)
	assert.Equal(t, r.Mark, got.Mark)
	assert.Equal(t, r.SessionKey, got.SessionKey)

	// A mark is whole or none: half of one would be another place.
	for _, m := range []Mark{{Source: long}, {Source: "s", At: []byte(long)}, {At: []byte("of nothing")}} {
		got, err := Decode(AppendMark(nil, 9, m))
		require.NoError(t, err)
		assert.Zero(t, got.Mark)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	b, e := fullBegin(), fullEnd()
	buf := make([]byte, 0, maxRecord)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = AppendBegin(buf[:0], b) }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = AppendEnd(buf[:0], e) }))
	whole := goldenExchange(shape)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = AppendExchange(buf[:0], &whole) }))
}

func FuzzDecode(f *testing.F) {
	f.Add(AppendStart(nil, Start{Time: 3, Run: "run"}))
	f.Add(AppendTick(nil, 9))
	f.Add(AppendStop(nil, 9))
	f.Add(AppendBegin(nil, fullBegin()))
	f.Add(AppendEnd(nil, fullEnd()))
	f.Add(newer(AppendBegin(nil, fullBegin())))
	f.Add(newer(AppendEnd(nil, fullEnd())))
	whole := goldenExchange(shape)
	f.Add(AppendExchange(nil, &whole))
	f.Add(newer(AppendExchange(nil, &whole)))
	f.Add([]byte{200, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	golden(f, func(_ string, rec []byte, _ Record) { f.Add(rec) })
	f.Fuzz(func(t *testing.T, rec []byte) {
		r, err := Decode(rec)
		if err != nil {
			require.ErrorIs(t, err, ErrRecord)
			return
		}
		if !r.Kind.Known() {
			return // a newer one's
		}
		_, again := encode(t, r)
		require.LessOrEqual(t, len(again), maxRecord)
		same, err := Decode(again)
		require.NoError(t, err)
		_, twice := encode(t, same)
		require.Equal(t, again, twice, "what is cut once isn't cut again")
	})
}

func BenchmarkAppend(b *testing.B) {
	begin, end := fullBegin(), fullEnd()
	buf := make([]byte, 0, maxRecord)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendBegin(buf[:0], begin)
		buf = AppendEnd(buf[:0], end)
	}
}

func BenchmarkDecode(b *testing.B) {
	begin, end := AppendBegin(nil, fullBegin()), AppendEnd(nil, fullEnd())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(begin); err != nil {
			b.Fatal(err)
		}
		if _, err := Decode(end); err != nil {
			b.Fatal(err)
		}
	}
}
