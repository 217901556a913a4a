// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/modtap/modtap/internal/cacheheader"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// weigh makes one verdict of what the proxy says itself and of what the egress
// proves, and notes what is learnt from it.
func (j *join) weigh(p *pending, e *exchange.End, v *Verdict) {
	q := j.facts(p, e)
	word := cacheheader.Read(j.own(q))
	if word.Weak {
		word = cacheheader.Evidence{}
	}
	q.word = word.Result
	result, links := j.result(q)
	v.Links, v.Conflict = links, word.Conflict
	v.decide(exchange.Unknown, "")
	if word.Result != "" {
		v.decide(word.Result, EvidenceHeader)
	}
	switch {
	case word.Result == exchange.Stale, word.Result == exchange.Revalidated && len(q.waited)+len(q.ahead) > 0:
		// What it fetched may have run in the background.
	case word.Result == exchange.Revalidated:
		v.Conflict = true // without a question
		v.decide(exchange.Unknown, "")
	case word.Result == exchange.Miss && result == exchange.Hit:
		v.Conflict = true // it fetched past us
		j.wiring.doubt(p.request.Module, e.Time)
	case word.Result == exchange.Hit && q.mayHaveWaited:
		v.decide(exchange.Unknown, "") // caches call both a hit
	case result != exchange.Unknown:
		v.Conflict = v.Conflict || contradicts(v.Result, result)
		v.decide(result, EvidenceEgress)
	}
	v.MissReason = missReason(q, word, v.Result, j.wiring)
	j.learn(q, v)
}

// contradicts reports whether one result says that the cache had the file, and
// the other that it went upstream for it.
func contradicts(header, egress exchange.CacheResult) bool {
	return header.Kept() && egress == exchange.Miss || header == exchange.Miss && egress.Kept()
}

// missReason says why it was a miss, where that is known: the proxy says that its
// copy had expired, or it kept the file before, which then was evicted. What was
// never seen before need not be cold: it may have been evicted before we came.
func missReason(q *facts, word cacheheader.Evidence, result exchange.CacheResult, w *wiring) string {
	switch {
	case result != exchange.Miss:
		return ""
	case word.MissReason != "":
		return word.MissReason
	case !q.request.Operation.IsFile():
		return ""
	case q.whole && q.version.Answered != 0 && w.recent(w.LastStored, q.begin.Time),
		!q.whole && q.file.Had && word.Result == exchange.Miss:
		return exchange.MissEvicted
	}
	return ""
}

// learn notes what a verdict shows of the proxy.
func (j *join) learn(q *facts, v *Verdict) {
	w, r := j.wiring, q.request
	switch {
	case v.Result == exchange.Hit && !changes(r):
		j.memory.note(r, trail{Had: true})
		if v.Evidence == EvidenceEgress && q.known().Fetched != 0 {
			w.LastStored = max(w.LastStored, q.begin.Time)
		}
	case v.Result != exchange.Unknown || !q.good || len(q.caused)+len(q.unclear)+len(v.Links) > 0 || !w.seen(r.Module, q.begin.Time):
	case changes(r) && q.whole, r.Operation.IsFile() && !j.asserted(q) && !q.known().seen() && j.memory.ofVersion(r).Fetched == 0:
		// It was answered, and not by what we know of.
		w.doubt(r.Module, q.begin.Time)
	}
}

// own returns the header lines that the proxy itself wrote into its answer, and
// notes which it passes on from upstream: it did so last time if all lines of a
// name are what it was answered.
func (j *join) own(q *facts) []exchange.Header {
	headers := q.end.Cache.Headers
	for _, h := range headers {
		for _, f := range q.waited {
			if f.closed == 0 || f.request != q.request || h.Name == "" {
				continue
			}
			if slices.Contains(f.words, digestOf(headers, h.Name)) {
				j.wiring.Passed[h.Name] = q.begin.Time
			} else {
				delete(j.wiring.Passed, h.Name)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(headers), func(h exchange.Header) bool {
		return j.wiring.recent(j.wiring.Passed[h.Name], q.begin.Time)
	})
}

// digests stand for the header lines of each name.
func digests(headers []exchange.Header) (out []uint64) {
	for i, h := range headers {
		if i == 0 || headers[i-1].Name != h.Name {
			out = append(out, digestOf(headers, h.Name))
		}
	}
	return out
}

func digestOf(headers []exchange.Header, name string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(name)
	for _, h := range headers {
		if h.Name == name {
			_, _ = d.WriteString("\x00" + h.Value)
		}
	}
	return d.Sum64()
}

// silence removes what isn't said. A request to a checksum database has a result
// where that is known: most proxies dial the database themselves, past us. What a
// proxy asks at the egress has one where the upstream says what its own cache did.
func silence(v *Verdict, b *exchange.Begin) {
	if v.Result == exchange.Unknown && (b.Side == exchange.Egress || b.Request.Operation == goproxy.SumDB) {
		v.Result = ""
	}
}
