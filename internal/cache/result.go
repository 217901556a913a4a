// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"net/http"
	"slices"
	"time"

	"golang.org/x/mod/module"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// slack is how long a request may wait for a processor before the proxy looks into
// its storage, and a fetch's end before it is recorded, on a machine under load.
const slack = exchange.Time(30 * time.Millisecond)

// atOnceStored is less time than it takes to fetch the three files of a version over
// any network, to check and to store them.
const atOnceStored = exchange.Time(2 * time.Millisecond)

// whether is an answer that may not be known.
type whether uint8

const (
	no whether = iota
	perhaps
	yes
)

// facts are a pending exchange that has ended, with what decides on it.
type facts struct {
	*pending
	end      *exchange.End
	sent     exchange.Time // when it went on to the proxy
	answered exchange.Time // its first byte; zero: it was sent none
	good     bool          // the answer is a success
	word     exchange.CacheResult
	// waited are the fetches it caused and waited for; ahead are those that the proxy
	// itself says it caused, and that it was answered ahead of.
	waited, ahead []*fetch
	mayHaveWaited bool // for a fetch of another's
	// How the proxy fetches, as far as that is known.
	whole, parallel, background bool
}

func (j *join) facts(p *pending, e *exchange.End) *facts {
	w, now := j.wiring, p.begin.Time
	q := &facts{pending: p, end: e, sent: sent(p.begin, e), answered: e.FirstByte, good: success(e.Status)}
	for _, f := range p.caused {
		switch {
		case f.couldAnswer(q.answered):
			q.waited = append(q.waited, f)
		case f.exact && f.request == p.request:
			q.ahead = append(q.ahead, f)
		}
	}
	if len(q.ahead) > 0 && q.good {
		w.LastBackground = max(w.LastBackground, now)
	}
	q.whole, q.parallel, q.background = w.recent(w.LastWhole, now), w.recent(w.LastParallel, now), w.recent(w.LastBackground, now)
	return q
}

// sent is when an exchange went on to the proxy.
func sent(b *exchange.Begin, e *exchange.End) exchange.Time {
	if len(e.Attempts) > 0 {
		return max(b.Time, e.Attempts[0].Start)
	}
	return b.Time
}

// known is what was known when it began of what can't have come alone.
func (q *facts) known() trail {
	if q.whole {
		return q.version
	}
	return q.file
}

// result says what the egress proves. Spans are the exchanges that may have to do
// with an unknown one.
func (j *join) result(q *facts) (exchange.CacheResult, []exchange.Span) {
	switch {
	case q.request.Operation == goproxy.Other, q.unanswered():
		return exchange.Unknown, nil
	case changes(q.request):
		return j.changing(q), some(q.unclear)
	case q.whole && q.request.Operation.IsFile():
		return j.inWhole(q)
	}
	if result, links, ok := q.marked(j.settings.Mark); ok {
		return result, some(links)
	}
	// What was answered before the first byte of a fetch didn't wait for it: then
	// that fetch was another's, and its own may be one that the other was given.
	exchanged := j.exchanged(q)
	if len(q.waited) > 0 || len(q.caused) > 0 && len(exchanged) > 0 {
		return q.fetched(), nil
	}
	if q.answered == 0 {
		return exchange.Unknown, nil // it left before the proxy had decided
	}
	waited, links := q.besides()
	if waited == yes {
		return exchange.Coalesced, links
	}
	q.mayHaveWaited = waited == perhaps
	links = append(append(links, exchanged...), q.unclear...)
	if len(links) == 0 && len(q.ahead) == 0 && q.good && j.wired(q) {
		return exchange.Hit, nil
	}
	return exchange.Unknown, some(links)
}

// unanswered reports whether the proxy gave no answer: what the client was sent is
// ours.
func (q *facts) unanswered() bool {
	n := len(q.end.Attempts)
	return n > 0 && q.end.Attempts[n-1].Status == 0 && q.end.Disposition != exchange.ClientGone
}

func some(links []exchange.Span) []exchange.Span {
	return links[:min(len(links), exchange.MaxCandidates)]
}

// changes reports whether the answer to r may be another one tomorrow, so that a
// proxy can't keep it for good.
func changes(r goproxy.Request) bool {
	return r.Operation.IsQuery() || r.SumDBKind == goproxy.SumDBLatest
}

// changing judges a request for what changes. Without a fetch it may have been
// answered by a copy that is fresh enough, or past us: only who knows that nothing
// goes past us knows which.
func (j *join) changing(q *facts) exchange.CacheResult {
	failed := !slices.ContainsFunc(q.waited, (*fetch).brought)
	switch {
	case len(q.waited) > 0 && !q.good, len(q.waited) > 0 && !failed && !q.revalidated():
		return exchange.Bypass
	case len(q.waited) > 0 && !failed:
		return q.fetched()
	case len(q.waited) > 0 && q.file.Answered != 0 && !slices.ContainsFunc(q.waited, (*fetch).missing) && !j.doubtful(q):
		return exchange.Stale // nobody gave it, but for the proxy's own copy
	case len(q.waited)+len(q.ahead)+len(q.unclear) == 0 && q.good && q.answered != 0 && !q.whole && j.asserted(q) && j.wired(q):
		return exchange.Hit
	}
	return exchange.Unknown
}

// missing reports whether the upstream said that it doesn't have the file: the
// proxy may have asked another one then
// (https://go.dev/ref/mod#goproxy-protocol).
func (f *fetch) missing() bool {
	return f.status == http.StatusNotFound || f.status == http.StatusGone
}

// revalidated reports whether the upstream said that the proxy's copy is still right.
func (q *facts) revalidated() bool {
	last := q.waited[len(q.waited)-1]
	return last.request == q.request && last.status == http.StatusNotModified && q.good
}

// fetched judges a request that caused a fetch and was answered after it. A proxy
// that keeps files one by one may have answered from a copy while that fetch
// renewed it, or after it failed: where it doesn't say so, only what it never had
// is a miss.
func (q *facts) fetched() exchange.CacheResult {
	switch {
	case len(q.waited) == 0, !q.good: // it is told as another's fetch, or brought nothing
		return exchange.Miss
	case q.revalidated():
		if q.background || q.end.Status == http.StatusNotModified { // its copy, or the client's?
			return exchange.Unknown
		}
		return exchange.Revalidated
	case q.mayRenew(q.file.seen()), !slices.ContainsFunc(q.waited, (*fetch).brought):
		return exchange.Unknown
	}
	return exchange.Miss
}

// mayRenew reports whether the proxy may have answered from a copy while a fetch
// renewed it (RFC 5861), without saying so. had: it was seen to have one before.
func (q *facts) mayRenew(had bool) bool {
	return q.good && q.word == "" && (had || q.background)
}

// besides looks at the fetches that others caused. It reports whether the exchange
// waited for one of them, or may have, and returns the span of that fetch, or
// those of all that it may have to do with.
func (q *facts) besides() (waited whether, links []exchange.Span) {
	for _, f := range q.beside {
		// It may have been answered from what another's fetch then renewed.
		if f.begin >= q.answered+slack || f.request != q.request {
			continue
		}
		closed, end := f.closed, f.end
		if end != 0 && end <= q.begin.Time { // stored when it came, unless it was still being stored
			if f.adrift && end+slack > q.begin.Time && !q.parallel {
				waited, links = perhaps, append(links, f.span)
			}
			continue
		}
		over := closed != 0 && closed <= q.answered+slack
		came := q.begin.Time+slack < closed || // before it could be stored
			q.begin.Time+slack < end && end <= q.answered // or while that was going on, as it waited for so long
		switch {
		case q.request.Operation == goproxy.SumDB && !f.exact: // perhaps the proxy's own go command asks
			links = append(links, f.span)
		case q.parallel: // it would have fetched the file itself
			if over && came && closed <= q.answered {
				waited, links = perhaps, append(links, f.span)
			}
		case !over:
			links = append(links, f.span) // it was answered while its file was being fetched for another
		case !came, closed > q.answered, end != 0 && f.served != q.good, q.mayRenew(f.renews):
			waited, links = perhaps, append(links, f.span)
		default:
			return yes, []exchange.Span{f.span}
		}
	}
	return waited, links
}

// exchanged returns the fetches of its file that are told as another's and may
// have been its own: a proxy that fetches in parallel doesn't answer in the order
// in which it asked.
func (j *join) exchanged(q *facts) (spans []exchange.Span) {
	if !q.parallel {
		return nil
	}
	for _, f := range q.beside {
		if f.request == q.request && !f.exact && f.begin >= q.begin.Time && f.firstByte != 0 && f.couldAnswer(q.answered) {
			spans = append(spans, f.span)
		}
	}
	return spans
}

// asserted reports whether it was said that the proxy fetches p's module through us.
func (j *join) asserted(q *facts) bool {
	patterns := j.settings.UnseenPatterns
	return patterns != nil && q.request.Module != "" && !module.MatchPrefixPatterns(*patterns, q.request.Module)
}

// doubtful reports whether the module was seen to come by another way.
func (j *join) doubtful(q *facts) bool {
	return j.wiring.recent(j.wiring.Doubts[q.request.Module], q.begin.Time)
}

// wired reports whether the proxy, which didn't fetch q's file through us, had it.
// Unless it was said what goes past us, that has to be known of the file itself,
// or of its version in a proxy that stores whole versions: it was fetched through
// us, or it was answered before by a proxy that stores what it answers, and now
// more quickly than any fetch. What was known before the module was seen to come by another way has to be seen again.
func (j *join) wired(q *facts) bool {
	w, now := j.wiring, q.begin.Time
	switch {
	case j.settings.SharedStorage:
		return false
	case q.request.Operation == goproxy.SumDB:
		return w.recent(w.LastSumDB, now) && q.file.Fetched != 0 && w.recent(q.file.last(), now)
	case j.asserted(q):
		return w.recent(w.LastSeen, now) && !j.doubtful(q)
	case j.settings.UnseenPatterns != nil:
		return false
	}
	known := q.known()
	if known.Fetched == 0 && (!q.whole || q.answered-q.sent >= atOnceStored) {
		return false // it may have been lost, and fetched again past us
	}
	stores := known.Fetched != 0 || w.seen(q.request.Module, now) || w.recent(w.LastStored, now)
	return known.seen() && stores && w.recent(known.last(), now) && known.last() > w.Doubts[q.request.Module]
}
