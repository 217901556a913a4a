// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"slices"
	"time"

	"golang.org/x/mod/module"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// JoinSettings say what may be concluded from the egress.
type JoinSettings struct {
	// Egress is true where the observed proxy's upstream traffic passes us.
	Egress bool
	// UnseenPatterns are the module path prefixes that the proxy fetches past us:
	// its own GONOPROXY or GOPRIVATE. Nil: not known.
	UnseenPatterns *string
	// SharedStorage is true where others fill the proxy's storage too.
	SharedStorage bool
	// Memory is how long an egress request proves that the proxy is wired to us.
	Memory time.Duration
}

// jitter is how much later than its true end a fetch's end may be recorded: two
// goroutines take the times.
const jitter = exchange.Time(20 * time.Millisecond)

// join finds which ingress exchanges the egress ones belong to.
type join struct {
	settings JoinSettings
	wiring   *wiring
	bySpan   map[exchange.SpanID]*pending
	versions map[version]*group
	fetches  map[uint64]*fetch // under way, by the exchange's id
}

type version struct{ module, version string }

// group is what is under way for one version.
type group struct {
	pending []*pending
	fetches []*fetch
}

// pending is an ingress exchange whose verdict isn't final.
type pending struct {
	request goproxy.Request
	begin   *exchange.Begin
	caused  []*fetch        // of its file or version
	beside  []*fetch        // of its version, caused by others, under way beside it
	unclear []exchange.Span // egress exchanges that it may have caused
}

// fetch is an egress exchange for a file of a version. Who waits for a fetch
// that another caused waits until that other one is answered, as the proxy has
// to unpack and store the file in between.
type fetch struct {
	request   goproxy.Request
	owner     *pending      // who caused it; nil: not known, or answered
	span      exchange.Span // of the owner's exchange, else its own
	begin     exchange.Time
	firstByte exchange.Time // zero: none yet
	end       exchange.Time // of the fetch, later of its owner's waiting; zero: not yet
	over      bool          // the fetch has ended
}

// couldAnswer reports whether what was answered then can have come of f.
func (f *fetch) couldAnswer(answered exchange.Time) bool {
	return answered == 0 || f.begin < answered && (f.firstByte == 0 || f.firstByte < answered)
}

func newJoin(s JoinSettings) *join {
	return &join{
		settings: s, wiring: newWiring(), bySpan: make(map[exchange.SpanID]*pending),
		versions: make(map[version]*group), fetches: make(map[uint64]*fetch),
	}
}

// begin takes the begin of an exchange of either side. Without an egress nothing
// is noted, so that nothing is found later either.
func (j *join) begin(b *exchange.Begin, request goproxy.Request) {
	if !j.settings.Egress {
		return
	}
	request.Prefix = ""
	if b.Side == exchange.Egress {
		j.beginFetch(b, request)
		return
	}
	p := &pending{request: request, begin: b}
	j.bySpan[b.Span.SpanID] = p
	if !isFile(request) {
		return
	}
	g := j.group(request)
	p.beside = slices.Clone(g.fetches)
	g.pending = append(g.pending, p)
}

func (j *join) beginFetch(b *exchange.Begin, request goproxy.Request) {
	if request.Module != "" {
		j.wiring.see(request.Module, b.Time)
	}
	for _, c := range b.Candidates {
		if p := j.bySpan[c.SpanID]; p != nil {
			p.unclear = append(p.unclear, b.Span)
		}
	}
	f := &fetch{request: request, begin: b.Time, span: b.Span}
	j.fetches[b.ID] = f
	if p := j.bySpan[b.Cause]; p != nil {
		j.cause(p, f)
	}
	if !isFile(request) {
		return
	}
	g := j.group(request)
	for _, other := range g.fetches {
		// Queries fetch .info and .mod beside a download, but never a .zip.
		if request.Operation == goproxy.Zip && other.request == request && !other.over {
			j.wiring.Parallel = true
		}
	}
	g.fetches = append(g.fetches, f)
	for _, p := range g.pending {
		if p.begin.Span.SpanID != b.Cause {
			p.beside = append(p.beside, f)
		}
	}
}

// cause notes that p caused f. What a proxy asks of a checksum database, or of
// another version, doesn't show that p's own file wasn't there.
func (j *join) cause(p *pending, f *fetch) {
	switch {
	case f.request == p.request:
	case isFile(f.request) && isFile(p.request) && key(f.request) == key(p.request):
		j.wiring.Whole = true
	default:
		return
	}
	f.owner, f.span = p, p.begin.Span
	p.caused = append(p.caused, f)
}

// ended takes the end of an exchange of either side.
func (j *join) ended(b *exchange.Begin, e *exchange.End) {
	if p := j.bySpan[b.Span.SpanID]; p != nil {
		j.answered(p, e)
		return
	}
	f := j.fetches[e.ID]
	if f == nil {
		return
	}
	delete(j.fetches, e.ID)
	f.over, f.firstByte = true, e.FirstByte
	if f.owner == nil {
		f.end = e.Time
		j.forget(f)
	}
}

// answered ends the waiting of the owner of fetches.
func (j *join) answered(p *pending, e *exchange.End) {
	for _, f := range p.caused {
		f.owner = nil
		if f.over {
			f.end = e.FirstByte
			if f.end == 0 {
				f.end = e.Time
			}
			j.forget(f)
		}
	}
}

func (j *join) forget(f *fetch) {
	if !isFile(f.request) {
		return
	}
	k := key(f.request)
	if g := j.versions[k]; g != nil {
		g.fetches = slices.DeleteFunc(g.fetches, func(x *fetch) bool { return x == f })
		j.tidy(k, g)
	}
}

// judge completes the verdict on an ingress exchange and forgets it.
func (j *join) judge(b *exchange.Begin, e *exchange.End, v *Verdict) {
	p := j.bySpan[b.Span.SpanID]
	if p == nil {
		return
	}
	delete(j.bySpan, b.Span.SpanID)
	if isFile(p.request) {
		k := key(p.request)
		g := j.versions[k]
		g.pending = slices.DeleteFunc(g.pending, func(x *pending) bool { return x == p })
		j.tidy(k, g)
	}
	if v.Evidence == EvidenceEmbedded || e.Disposition == exchange.Refused || e.Disposition == exchange.Interrupted {
		return
	}
	result, links := j.result(p, e)
	v.Links = links
	if result != exchange.Unknown {
		v.Conflict = v.Conflict || contradicts(v.Result, result)
		v.decide(result, EvidenceEgress)
	}
}

// contradicts reports whether one result says that the cache had the file, and
// the other that it went upstream for it.
func contradicts(header, egress exchange.CacheResult) bool {
	had := func(r exchange.CacheResult) bool { return r == exchange.Hit || r == exchange.Stale }
	went := func(r exchange.CacheResult) bool { return r == exchange.Miss }
	return had(header) && went(egress) || went(header) && had(egress)
}

// result says what the egress proves.
func (j *join) result(p *pending, e *exchange.End) (exchange.CacheResult, []exchange.Span) {
	answered := e.FirstByte
	// What was answered before the first byte of a fetch didn't wait for it: then
	// that fetch was another's, and its own may be one that the other was given.
	exchanged := j.exchanged(p, answered)
	caused := slices.ContainsFunc(p.caused, func(f *fetch) bool { return f.couldAnswer(answered) }) ||
		len(p.caused) > 0 && len(exchanged) > 0
	switch {
	case p.request.Operation == goproxy.Other:
		return exchange.Unknown, nil
	case caused && isFile(p.request), caused && p.request.Operation == goproxy.SumDB:
		return exchange.Miss, nil
	case caused:
		return exchange.Bypass, nil
	case answered == 0:
		return exchange.Unknown, nil // it left before the proxy had decided
	}
	var links []exchange.Span
	for _, f := range p.beside {
		same := f.request == p.request
		if f.begin >= answered || !same && !j.wiring.Whole {
			continue
		}
		if j.wiring.Parallel {
			continue // it would have fetched the file itself
		}
		if f.end != 0 && f.end <= answered+jitter {
			return exchange.Coalesced, []exchange.Span{f.span}
		}
		if same {
			links = append(links, f.span) // it was answered while its file was being fetched for another
		}
	}
	links = append(links, exchanged...)
	links = append(links, p.unclear...)
	if len(links) == 0 && j.wired(p) {
		return exchange.Hit, nil
	}
	return exchange.Unknown, links[:min(len(links), exchange.MaxCandidates)]
}

// exchanged returns the fetches of p's file that are told as another's and may
// have been p's own: a proxy that fetches in parallel doesn't answer in the order
// in which it asked.
func (j *join) exchanged(p *pending, answered exchange.Time) (spans []exchange.Span) {
	if !j.wiring.Parallel {
		return nil
	}
	for _, f := range p.beside {
		if f.request == p.request && f.begin >= p.begin.Time && f.firstByte != 0 && f.couldAnswer(answered) {
			spans = append(spans, f.span)
		}
	}
	return spans
}

// wired reports whether the proxy would have passed us to fetch p's file.
func (j *join) wired(p *pending) bool {
	s := &j.settings
	if s.SharedStorage || p.request.Module == "" {
		return false
	}
	if s.UnseenPatterns != nil {
		return !module.MatchPrefixPatterns(*s.UnseenPatterns, p.request.Module) && j.wiring.seenAny(p.begin.Time, s.Memory)
	}
	return j.wiring.seen(p.request.Module, p.begin.Time, s.Memory)
}

// reset forgets what was under way in a run that is over.
func (j *join) reset() {
	clear(j.bySpan)
	clear(j.versions)
	clear(j.fetches)
}

func (j *join) group(r goproxy.Request) *group {
	g := j.versions[key(r)]
	if g == nil {
		g = new(group)
		j.versions[key(r)] = g
	}
	return g
}

func (j *join) tidy(k version, g *group) {
	if len(g.pending) == 0 && len(g.fetches) == 0 {
		delete(j.versions, k)
	}
}

func key(r goproxy.Request) version { return version{r.Module, r.Version} }

// isFile reports whether r asks for a file of one version, which never changes.
func isFile(r goproxy.Request) bool {
	return r.Operation == goproxy.Info || r.Operation == goproxy.Mod || r.Operation == goproxy.Zip
}
