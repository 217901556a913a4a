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

// ahead is how long before a fetch began a request has to have been sent to have
// been with the proxy by then.
const ahead = exchange.Time(10 * time.Millisecond)

// lag is how late the end of a fetch may be recorded: the proxy has all of it by then.
const lag = exchange.Time(250 * time.Millisecond)

// early is the earliest time at which the proxy can have had all of a fetch that is over.
func (f *fetch) early() exchange.Time { return max(f.firstByte, f.closed-lag) }

// inWhole judges a request for a file of a proxy that fetches whole versions and
// doesn't say for whom. Its downloads begin with .info and end with .zip, and who
// waits for one is answered after that: who was answered before had the file.
// Whose a download is is known where nobody else can have caused it. Where others
// can, who asks for what may be stored can have been answered from the storage,
// and late only because the proxy was busy: unless others overtook it meanwhile.
func (j *join) inWhole(q *facts) (exchange.CacheResult, []exchange.Span) {
	starts, zips := q.downloads()
	if f := q.alone(starts, zips); f != nil {
		brought := func(z *fetch) bool { return z.begin > f.begin && z.closed != 0 && z.closed <= q.answered+slack }
		if !q.good || q.answered == 0 || slices.ContainsFunc(zips, brought) {
			return exchange.Miss, nil
		}
		return exchange.Unknown, []exchange.Span{f.span}
	}
	if !q.good || q.answered == 0 {
		return exchange.Unknown, some(spansOf(starts))
	}
	mine, all := q.mine(starts), slices.Clone(zips)
	zips = slices.DeleteFunc(zips, func(z *fetch) bool {
		if q.parallel && (len(mine) == 0 || z.begin < mine[0].begin) {
			// It is another's, for which nobody waits; or did it, with one of several such proxies?
			return q.over(z) || z.closed <= q.sent+slack || z.closed > q.answered
		}
		return q.over(z) || q.passed(starts, z)
	})
	switch {
	case len(zips) == 0 && j.wired(q):
		return exchange.Hit, nil
	case len(zips) == 0:
		return exchange.Unknown, nil
	case q.oneEach(starts, all):
		return exchange.Miss, nil
	}
	z := slices.MinFunc(zips, func(x, y *fetch) int { return cmp.Compare(x.closed, y.closed) })
	switch {
	case j.had(q, starts, z) && j.wired(q):
		return exchange.Hit, nil
	case z.early() <= q.sent+slack || z.closed > q.answered || !z.brought():
		// It came when that was being stored.
	case q.version.seen() && !j.overtakers.lacked(fileID(q.request), z.early(), z.closed):
		// It may have been answered from the storage.
	case q.parallel && len(mine) == 0:
	case q.parallel:
		return exchange.Miss, nil
	default:
		return q.joined(starts, zips, z)
	}
	return exchange.Unknown, some(spansOf(zips))
}

// overtakers are the last files that the proxy answered: when they were sent to it,
// and answered. It takes requests in the order in which they come, so who was
// overtaken by one had been looked for in the storage before that was answered.
type overtakers struct {
	last [maxOvertakers]overtaker
	next int
}

type overtaker struct {
	File           uint64
	Sent, Answered exchange.Time
}

const maxOvertakers = 4096

func (o *overtakers) add(x overtaker) {
	o.last[o.next] = x
	o.next = (o.next + 1) % maxOvertakers
}

// save returns them, the oldest first.
func (o *overtakers) save() []overtaker {
	all := slices.Concat(o.last[o.next:], o.last[:o.next])
	return slices.DeleteFunc(all, func(x overtaker) bool { return x.Answered == 0 })
}

// had reports whether a file was sent for at or after a time, and answered before
// another.
func (o *overtakers) had(file uint64, from, to exchange.Time) bool {
	return slices.ContainsFunc(o.last[:], func(x overtaker) bool {
		return x.File == file && x.Sent >= from && x.Answered < to && x.Answered != 0
	})
}

// lacked reports whether somebody who was answered after a download's end had been
// overtaken before it, which was early at the earliest: the proxy didn't have the file
// then.
func (o *overtakers) lacked(file uint64, early, end exchange.Time) bool {
	first := end
	for _, x := range o.last {
		if x.File == file && x.Answered >= end {
			first = min(first, x.Sent)
		}
	}
	return slices.ContainsFunc(o.last[:], func(x overtaker) bool {
		return x.Sent >= first+slack && x.Answered <= early-slack && x.Answered != 0
	})
}

// downloads are the begins and ends of the downloads of q's version until it was
// answered, in their order.
func (q *facts) downloads() (starts, zips []*fetch) {
	for _, f := range slices.Concat(q.caused, q.beside) {
		switch until := cmp.Or(q.answered, q.end.Time); {
		case f.begin > until, f.method == http.MethodHead:
		case f.request.Operation == goproxy.Info, f.request.Operation == goproxy.Query:
			starts = append(starts, f)
		case f.request.Operation == goproxy.Zip:
			zips = append(zips, f)
		}
	}
	byBegin := func(x, y *fetch) int { return cmp.Or(cmp.Compare(x.begin, y.begin), cmp.Compare(x.closed, y.closed)) }
	slices.SortFunc(starts, byBegin)
	slices.SortFunc(zips, byBegin)
	return starts, zips
}

// mine are the downloads that q may have caused.
func (q *facts) mine(starts []*fetch) []*fetch {
	return slices.DeleteFunc(slices.Clone(starts), func(f *fetch) bool { return f.begin < q.sent })
}

// alone returns a download that nobody else can have caused, or that the proxy
// itself says q caused; nil: there is none.
func (q *facts) alone(starts, zips []*fetch) *fetch {
	for _, f := range q.mine(starts) {
		if f.exact && f.by == q.begin.Span.SpanID || len(q.rivals(f, zips)) == 0 {
			return f
		}
	}
	return nil
}

// rivals are the others who may have caused f. Who got the file before that
// download can have been over didn't.
func (q *facts) rivals(f *fetch, zips []*fetch) []*seeker {
	end := exchange.Time(0)
	for _, z := range zips {
		if z.begin > f.begin && z.closed != 0 && z.brought() && (end == 0 || z.early() < end) {
			end = z.early()
		}
	}
	return slices.DeleteFunc(slices.Clone(f.seekers), func(a *seeker) bool {
		return a == q.seeker || !a.at(f.begin) || a.good && a.answered != 0 && a.answered <= end-slack
	})
}

// over reports whether what z ends was stored before q was sent, or wasn't there
// when it was answered.
func (q *facts) over(z *fetch) bool {
	switch {
	case z.closed == 0, z.firstByte == 0, z.firstByte >= q.answered, z.closed > q.answered+lag, z.status != 0 && !z.brought():
		return true
	case len(z.seekers) > 0 && !slices.ContainsFunc(z.seekers, func(a *seeker) bool { return a == q.seeker || !a.good || a.answered == 0 || a.answered > q.sent }):
		return true // whoever caused it was answered
	case z.end == 0 || z.end > q.sent:
		return false
	}
	return !z.adrift || z.end+linger <= q.sent
}

// passed reports whether q was answered while those who waited for z still did,
// whoever of them caused it: it had come after the download's begin.
func (q *facts) passed(starts []*fetch, z *fetch) bool {
	i := begun(starts, z)
	if i < 0 || starts[i].begin >= q.sent {
		return false
	}
	waited := false
	for _, a := range z.seekers {
		switch {
		case a == q.seeker, a.answered != 0 && a.answered < z.early():
			continue
		case a.left != 0, a.answered != 0 && a.answered < q.answered+slack:
			return false
		}
		waited = true
	}
	return waited
}

// begun returns the begin of the download that z ends; -1: it wasn't seen.
func begun(starts []*fetch, z *fetch) int {
	for i, f := range slices.Backward(starts) {
		if f.begin <= z.begin {
			return i
		}
	}
	return -1
}

// had reports whether the proxy had q's file all the time until z was there: who
// asked for it after the download had begun was answered before its end.
func (j *join) had(q *facts, starts []*fetch, z *fetch) bool {
	i := begun(starts, z)
	return i >= 0 && j.overtakers.had(fileID(q.request), starts[i].begin, z.early()-slack)
}

// oneEach reports whether there were more downloads than others who may have caused
// them: nobody causes two. zips are the ends of all, those that were over when q came
// included: who caused these was answered behind them.
func (q *facts) oneEach(starts, zips []*fetch) bool {
	rivals, n := map[*seeker]bool{}, 0
	for _, f := range starts {
		if !f.brought() {
			continue
		}
		n++
		for _, a := range q.rivals(f, zips) {
			rivals[a] = true
		}
	}
	return n > len(rivals)
}

// joined judges q, who waited until z was there. Of those who waited with it the
// first caused the download; of a version that was stored once others may have had
// their files, and only those who asked for the same one waited for certain.
func (q *facts) joined(starts, zips []*fetch, z *fetch) (exchange.CacheResult, []exchange.Span) {
	links := []exchange.Span{z.span}
	mine := q.mine(starts)
	if slices.ContainsFunc(mine, func(f *fetch) bool { return f.begin > z.begin && f.begin < z.closed }) {
		return exchange.Unknown, links // another one meanwhile: do they wait for each other?
	}
	mine = slices.DeleteFunc(mine, func(f *fetch) bool { return f.begin > z.begin })
	if len(mine) == 0 {
		return exchange.Coalesced, links // it had begun before
	}
	f := mine[len(mine)-1]
	earlier := slices.DeleteFunc(q.rivals(f, zips), func(a *seeker) bool { return compare(a, q.seeker) > 0 })
	switch {
	case slices.ContainsFunc(earlier, func(a *seeker) bool {
		return f.begin >= a.begin+ahead && (!q.version.seen() || a.file == q.seeker.file)
	}):
		return exchange.Coalesced, links
	case len(earlier) == 0 && f.begin >= q.sent+ahead:
		return exchange.Miss, nil
	}
	return exchange.Unknown, links
}

func spansOf(fetches []*fetch) (spans []exchange.Span) {
	for _, f := range fetches {
		spans = append(spans, f.span)
	}
	return spans
}
