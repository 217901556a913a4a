// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"net/http"
	"slices"
	"time"

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
	// Mark is the name under which the egress marks its answers, see package cacheheader; empty: it
	// doesn't.
	Mark string
	// Memory is how long what was seen of the proxy, and of a file in it, proves
	// anything.
	Memory time.Duration
}

// join finds which ingress exchanges the egress ones belong to.
type join struct {
	settings   JoinSettings
	wiring     *wiring
	memory     *memory
	bySpan     map[exchange.SpanID]*pending
	versions   map[version]*group
	seekers    *seekers
	overtakers *overtakers
	fetches    map[uint64]*fetch // under way, by the exchange's id
	adrift     []*fetch          // over, in the order of their ends
}

// version is what requests have to have in common for one's fetch to answer the
// other: a module's version, or the name of what a checksum database has.
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
	seeker  *seeker
	// file and version are what was known of its file, and of its version as a whole,
	// when it began.
	file, version trail
	caused        []*fetch        // of its file or version
	beside        []*fetch        // of its version, caused by others, under way beside it
	unclear       []exchange.Span // egress exchanges that it may have caused
}

// fetch is an egress exchange for a file of a version. Who waits for a fetch
// that another caused waits until that other one is answered, as the proxy has
// to unpack and store the file in between.
type fetch struct {
	request   goproxy.Request
	method    string
	seekers   []*seeker       // who may have caused it
	owner     *pending        // who caused it; nil: not known, or answered
	by        exchange.SpanID // of the owner's exchange; zero: not known
	exact     bool            // the proxy itself said who caused it: it passed our trace context on
	id        exchange.SpanID // its own
	span      exchange.Span   // of the owner's exchange, else its own
	begin     exchange.Time
	firstByte exchange.Time // zero: none yet
	closed    exchange.Time // its own end; zero: not yet
	end       exchange.Time // of the fetch, later of its owner's waiting; zero: not yet
	status    int           // of a whole answer; zero: there is none
	served    bool          // what ended with end was a success
	renews    bool          // the proxy was seen to have the file when it began
	adrift    bool          // it has ended, but perhaps not its storing
	twins     []*fetch      // of the same .zip, under way when it began
	words     []uint64      // digests of the header lines of caches in its answer
}

// couldAnswer reports whether what was answered then can have come of f.
func (f *fetch) couldAnswer(answered exchange.Time) bool {
	return answered == 0 || f.begin < answered && (f.firstByte == 0 || f.firstByte < answered)
}

// brought reports whether the fetch was a success.
func (f *fetch) brought() bool { return success(f.status) }

// success reports whether a status says that the cache, or the upstream, has the file.
func success(status int) bool {
	return status >= 200 && status < 300 || status == http.StatusNotModified
}

func newJoin(s JoinSettings) *join {
	return &join{
		settings: s, wiring: newWiring(s.Memory), memory: newMemory(), bySpan: make(map[exchange.SpanID]*pending),
		versions: make(map[version]*group), seekers: newSeekers(), overtakers: new(overtakers), fetches: make(map[uint64]*fetch),
	}
}

// begin takes the begin of an exchange of either side. Without an egress nothing
// is noted, so that nothing is found later either.
func (j *join) begin(b *exchange.Begin) {
	if !j.settings.Egress {
		return
	}
	request := request(b)
	j.sweep(b.Time)
	if b.Side == exchange.Egress {
		j.beginFetch(b, request)
		return
	}
	p := &pending{request: request, begin: b, file: j.memory.of(request)}
	if p.version = p.file; request.Operation.IsFile() {
		p.version = j.memory.stored(request)
	}
	p.seeker = &seeker{number: b.ID, file: fileID(request), begin: b.Time}
	j.seekers.add(request, p.seeker)
	j.bySpan[b.Span.SpanID] = p
	if !isShared(request) {
		return
	}
	g := j.group(request)
	p.beside = slices.Clone(g.fetches)
	g.pending = append(g.pending, p)
}

func (j *join) beginFetch(b *exchange.Begin, request goproxy.Request) {
	if request.Module != "" && request.Operation != goproxy.SumDB {
		j.wiring.see(request.Module, b.Time)
	}
	for _, c := range b.Candidates {
		if p := j.bySpan[c.SpanID]; p != nil {
			p.unclear = append(p.unclear, b.Span)
		}
	}
	f := &fetch{request: request, method: b.Method, begin: b.Time, id: b.Span.SpanID, span: b.Span, seekers: j.seekers.of(request), renews: j.memory.of(request).seen()}
	j.fetches[b.ID] = f
	if p := j.bySpan[b.Cause]; p != nil {
		// Its parent is the span that was sent to the proxy, and not the one that we chose.
		f.exact = b.Span.ParentID != b.Cause
		j.cause(p, f)
	}
	if !isShared(request) {
		return
	}
	g := j.group(request)
	for _, other := range g.fetches {
		// Queries fetch .info and .mod beside a download, but never a .zip.
		if request.Operation == goproxy.Zip && other.request == request && other.closed == 0 {
			f.twins = append(f.twins, other)
		}
	}
	if j.unasked(f, g) {
		j.wiring.LastWhole = b.Time
	}
	g.fetches = append(g.fetches, f)
	for _, p := range g.pending {
		if f.by != p.begin.Span.SpanID {
			p.beside = append(p.beside, f)
		}
	}
}

// cause notes that p caused f. What a proxy asks of a checksum database, or of
// another version, doesn't show that p's own file wasn't there; nor does a HEAD,
// which brings nothing.
func (j *join) cause(p *pending, f *fetch) {
	switch {
	case f.method == http.MethodHead && p.begin.Method != http.MethodHead:
		p.unclear = append(p.unclear, f.span)
		return
	case f.request == p.request:
		if f.request.Operation == goproxy.SumDB && !f.exact {
			return // the proxy's own go command may have asked for the same at that moment
		}
	case changes(p.request) && f.request.Module == p.request.Module && f.request.Operation != goproxy.SumDB:
		// What a list or a query is answered from is for the proxy to choose.
	case !isVersioned(f.request) || !isVersioned(p.request) || key(f.request) != key(p.request):
		return
	}
	if f.request.Operation == goproxy.SumDB {
		j.wiring.LastSumDB = f.begin
	}
	f.owner, f.by, f.span = p, p.begin.Span.SpanID, p.begin.Span
	p.caused = append(p.caused, f)
}

// unasked reports whether f fetches the .zip of a version of which only other files
// are asked for.
func (j *join) unasked(f *fetch, g *group) bool {
	if f.request.Operation != goproxy.Zip || f.method == http.MethodHead {
		return false
	}
	if last := j.memory.of(f.request).last(); last != 0 && f.begin-last <= goesOn {
		return false // what was answered then may be renewed in the background
	}
	return len(g.pending) > 0 && !slices.ContainsFunc(g.pending, func(p *pending) bool { return !p.request.Operation.IsFile() || p.request == f.request })
}

// ended takes the end of an exchange of either side.
func (j *join) ended(b *exchange.Begin, e *exchange.End) {
	if p := j.bySpan[b.Span.SpanID]; p != nil && b.Side == exchange.Ingress {
		j.answered(p, e)
		return
	}
	f := j.fetches[e.ID]
	if f == nil {
		return
	}
	delete(j.fetches, e.ID)
	f.closed, f.firstByte, f.words = e.Time, e.FirstByte, digests(e.Cache.Headers)
	if e.Disposition == exchange.Complete {
		f.status = e.Status
	}
	if f.brought() && f.method != http.MethodHead && (f.request.Operation != goproxy.SumDB || f.by != exchange.SpanID{}) {
		j.memory.note(f.request, trail{Fetched: e.Time})
	}
	if f.brought() && slices.ContainsFunc(f.twins, (*fetch).brought) {
		j.wiring.LastParallel = f.begin
	}
	f.twins = nil
	if f.owner == nil {
		f.end, f.served = e.Time, f.brought()
		j.release(f, f.by != exchange.SpanID{} || f.request.Operation == goproxy.Zip)
	}
}

// answered ends the waiting of the owner of fetches.
func (j *join) answered(p *pending, e *exchange.End) {
	j.seekers.over(p.request, p.seeker, e)
	if p.request.Operation.IsFile() && success(e.Status) && e.FirstByte != 0 {
		j.overtakers.add(overtaker{fileID(p.request), sent(p.begin, e), e.FirstByte})
	}
	for _, f := range p.caused {
		f.owner = nil
		if f.closed != 0 {
			// What streams through is stored at the end of its fetch.
			f.end, f.served = max(cmp.Or(e.FirstByte, e.Time), f.closed), success(e.Status)
			j.release(f, e.FirstByte == 0)
		}
	}
	if e.Disposition == exchange.Complete && e.Status/100 == 2 && p.begin.Method != http.MethodHead && e.Cache.Embedded == "" {
		j.memory.note(p.request, trail{Answered: e.Time})
	}
}

// linger is how long after the end of a download that nobody was seen to wait for
// the proxy may still be storing it.
const linger = exchange.Time(time.Second)

// release lets go of a fetch that is over. One that is adrift is kept for a while.
func (j *join) release(f *fetch, adrift bool) {
	if f.adrift = adrift && f.brought(); !f.adrift {
		j.forget(f)
		return
	}
	j.adrift = append(j.adrift, f)
}

// sweep forgets what has been adrift for long enough.
func (j *join) sweep(now exchange.Time) {
	j.seekers.sweep(now)
	n := 0
	for n < len(j.adrift) && (now-j.adrift[n].end > linger || len(j.adrift)-n > maxAdrift) {
		j.forget(j.adrift[n])
		n++
	}
	j.adrift = slices.Delete(j.adrift, 0, n)
}

// maxAdrift bounds the fetches that are adrift; beyond it they are forgotten early.
const maxAdrift = 1000

func (j *join) forget(f *fetch) {
	if !isShared(f.request) {
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
	if isShared(p.request) {
		k := key(p.request)
		g := j.versions[k]
		g.pending = slices.DeleteFunc(g.pending, func(x *pending) bool { return x == p })
		j.tidy(k, g)
	}
	if v.Evidence == EvidenceEmbedded || e.Disposition == exchange.Refused || e.Disposition == exchange.Interrupted {
		return
	}
	j.weigh(p, e, v)
}

// reset forgets what was under way in a run that is over. The proxy may go on with
// it.
func (j *join) reset(now exchange.Time) {
	j.seekers.interrupt(now)
	clear(j.bySpan)
	clear(j.versions)
	clear(j.fetches)
	j.adrift = nil
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

// key says what r shares a fetch with. A file of a version that isn't canonical and
// the query for that version are one.
func key(r goproxy.Request) version {
	if r.Operation == goproxy.SumDB {
		return version{r.SumDB + "/" + r.SumDBKind + "/" + r.Module, r.Version + r.Tile}
	}
	return version{r.Module, r.Version}
}

// isShared reports whether others may wait for r's fetch.
func isShared(r goproxy.Request) bool { return isVersioned(r) || r.Operation == goproxy.SumDB }

// isVersioned reports whether r asks for a file of a version, or what version a
// query stands for.
func isVersioned(r goproxy.Request) bool { return r.Operation.IsFile() || r.Operation == goproxy.Query }
