// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"maps"
	"slices"
	"time"
)

// expected are the traces that each of backendNames must hold.
type expected [len(backendNames)]map[string]bool

// told is what became of one fault's requests, wherever they were told.
type told struct {
	in      [len(backendNames)]evidence // each backend
	counter int                         // ingress requests on Modtap's metrics page
}

// A retry waits for at most half a minute, so a drain in which nothing has moved
// for longer is over, complete or not.
const (
	quiet        = 40 * time.Second
	drainedByNow = 5 * time.Minute
)

// drain waits until all that clients received is told, or until nothing moves
// any more, and returns what is told.
func (r *run) drain(o *settings, want expected) *told {
	r.t.Helper()
	var seen [len(backendNames) + 1]int
	moved := time.Now()
	for began := time.Now(); ; {
		t := r.gather()
		now := [...]int{t.in[0].total(), t.in[1].total(), t.in[2].total(), t.counter}
		if now != seen {
			seen, moved = now, time.Now()
		}
		done, calm := r.drained(o, want, t)
		still := time.Since(moved)
		if done && still > calm || still > quiet || time.Since(began) > drainedByNow {
			return t
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// drained reports whether t is all that is to be expected, once nothing has
// moved for a while: what comes twice comes late.
func (r *run) drained(o *settings, want expected, t *told) (done bool, calm time.Duration) {
	calm = time.Second
	for i, e := range t.in {
		missing := e.missing(want[i]) - e.foreign(r.sent())
		if i == 0 && o.garbled > 0 {
			missing -= r.refused() + r.elsewhere(e, want[i])
		}
		l, allowed := o.loss(backendNames[i])
		switch {
		case missing <= 0:
		case allowed && l.exact && missing == int(r.scraper.total(l.counter...)):
		case allowed && !l.exact && missing <= max(l.most, r.behind):
			calm = 10 * time.Second // more may come
		default:
			return false, calm
		}
	}
	if o.unequal {
		return true, calm
	}
	// What clients didn't receive completely may be told too, and everywhere then.
	refused := len(want[1]) - len(want[0])
	return t.in[0].total() == t.in[1].total()-refused && (len(o.losses) > 0 || t.counter >= t.in[1].total()) && r.refused() >= refused, calm
}

// refused is how many documents Elasticsearch refused, as Modtap counts them.
func (r *run) refused() int {
	return int(r.scraper.total("otelcol_exporter_elastic_rejected_documents"))
}

func (r *run) gather() *told {
	inJaeger := maps.Clone(r.spans)
	for trace, ids := range spans(r.t, r.jaeger, r.name, r.began, time.Now()) {
		inJaeger[trace] = slices.Concat(inJaeger[trace], ids)
	}
	return &told{
		// Jaeger takes a span that is sent twice twice, and shows it once.
		in:      [...]evidence{documents(r.t, r.es, r.name), lines(r.t, r.log), inJaeger.distinct()},
		counter: r.scraper.answered(),
	}
}

// inPrometheus waits until Prometheus counts as many requests as the page does.
func (r *run) inPrometheus(want int) (got int) {
	r.t.Helper()
	query := `sum(max_over_time(` + requestDuration + `_count{exported_job="` + r.name + `"}[1h]))`
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		for _, sample := range r.prometheus.Query(r.t, query) {
			got = int(sample.Value)
		}
		if got == want {
			break
		}
	}
	return got
}

// missing counts the traces without evidence.
func (e evidence) missing(want map[string]bool) (n int) {
	for trace := range want {
		if len(e[trace]) == 0 {
			n++
		}
	}
	return n
}

// duplicates counts what is there beyond one of each trace.
func (e evidence) duplicates() int { return e.total() - len(e) }

// foreign counts the traces that nobody sent.
func (e evidence) foreign(sent map[string]bool) (n int) {
	for trace := range e {
		if !sent[trace] {
			n++
		}
	}
	return n
}

// distinct leaves one of each id.
func (e evidence) distinct() evidence {
	once := evidence{}
	for trace, ids := range e {
		known := map[string]bool{}
		for _, id := range ids {
			if !known[id] {
				known[id] = true
				once.add(trace, id)
			}
		}
	}
	return once
}
