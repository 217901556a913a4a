// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"net/http"
	"slices"
	"time"

	"github.com/modtap/modtap/internal/cacheheader"
	"github.com/modtap/modtap/internal/exchange"
)

// renewedWithin is how long after an answer from a copy a fetch may begin that
// renews it.
const renewedWithin = exchange.Time(250 * time.Millisecond)

// marked judges a request by the fetch that brought its answer, where the answer
// names it. ok is false where that doesn't decide.
func (q *facts) marked(name string) (result exchange.CacheResult, links []exchange.Span, ok bool) {
	id := cacheheader.Marked(q.end.Cache.Headers, name)
	if id == (exchange.SpanID{}) || !q.good || q.answered == 0 {
		return "", nil, false
	}
	named := func(f *fetch) bool { return f.id == id }
	if slices.ContainsFunc(q.caused, named) {
		return exchange.Miss, nil, true
	}
	mine := slices.ContainsFunc(q.caused, func(f *fetch) bool { return f.exact && f.by == q.begin.Span.SpanID })
	if i := slices.IndexFunc(q.beside, named); i >= 0 {
		f := q.beside[i]
		switch {
		case mine:
			return "", nil, false
		case f.closed == 0 || f.closed > q.sent+slack:
			return exchange.Coalesced, []exchange.Span{f.span}, true
		case f.closed+ahead > q.sent && (f.end == 0 || f.end > q.sent || f.adrift):
			return exchange.Unknown, []exchange.Span{f.span}, true // it came while that was stored
		}
	}
	if mine {
		return q.kept()
	}
	result, links = q.older(id)
	return result, links, true
}

// kept judges an answer from a copy that the proxy had before it asked for another
// one.
func (q *facts) kept() (exchange.CacheResult, []exchange.Span, bool) {
	if slices.ContainsFunc(q.caused, func(f *fetch) bool { return f.closed == 0 || f.status == http.StatusNotModified }) {
		return "", nil, false
	}
	return exchange.Stale, nil, true
}

// older judges an answer from a copy that the proxy had before, without a fetch for
// it. Where one was under way for another, the copy had expired.
func (q *facts) older(id exchange.SpanID) (exchange.CacheResult, []exchange.Span) {
	links := slices.Clone(q.unclear)
	for _, f := range q.beside {
		over := f.closed != 0 && f.closed+slack <= q.sent
		switch {
		case f.id == id, f.request != q.request, f.method == http.MethodHead, over && (!f.brought() || f.status == http.StatusNotModified), f.begin > q.answered+renewedWithin:
		case f.begin < q.sent && !over && (f.closed == 0 || f.brought() && f.status != http.StatusNotModified || f.closed > q.answered+slack):
			return exchange.Stale, nil
		default:
			links = append(links, f.span)
		}
	}
	if len(links) > 0 {
		return exchange.Unknown, links
	}
	return exchange.Hit, nil
}
