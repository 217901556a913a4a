// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
)

// compare waits for the drain and compares what clients received completely
// with what was told.
func (r *run) compare(o *settings) {
	t := r.t
	sent, complete, accepted := r.sent(), map[string]bool{}, map[string]bool{}
	var failed []record // while Modtap was there
	for _, request := range r.load.target.all() {
		switch {
		case request.err == nil:
			complete[request.trace] = true
			if o.rare == "" || request.path != o.rare {
				accepted[request.trace] = true
			}
		case !r.away(request):
			failed = append(failed, request)
		}
	}
	want := expected{accepted, complete, complete}
	refused := len(complete) - len(accepted)
	x := r.drain(o, want)
	if o.garbled > 0 {
		// A byte that was changed unnoticed may have changed what a document is found or taken by.
		garbled := max(0, r.refused()-refused)
		assert.LessOrEqual(t, garbled, o.garbled, "refused documents")
		refused += garbled
		r.garbled = garbled + r.elsewhere(x.in[0], accepted)
	}
	r.scraper.close()
	row := row{
		fault: r.name, sent: len(sent), complete: len(complete), told: x, prometheus: -1,
		failed: len(failed), starts: r.starts, latency: r.latencies(),
	}
	if !o.unscraped {
		row.prometheus = r.inPrometheus(x.counter)
	}
	for i, e := range x.in {
		foreign := e.foreign(sent)
		row.missing[i], row.duplicates[i] = e.missing(want[i]), e.duplicates()
		assert.LessOrEqual(t, foreign, o.garbled, "%s of traces that nobody sent", backendNames[i])
		assert.Zero(t, row.duplicates[i], "duplicate %s", backendNames[i])
		missing := row.missing[i] - foreign
		if i == 0 {
			missing -= r.garbled
		}
		row.lost[i] = r.checkLoss(o, backendNames[i], missing)
	}
	r.table.add(&row)
	t.Log(row.String(), "\n", strings.Join(r.scraper.failures(), "\n"))

	if len(failed) > 0 {
		assert.Fail(t, "downloads failed while Modtap was there", "%d, the first: %v", len(failed), failed[0].err)
	}
	if all := x.in[1].total(); !o.unequal {
		assert.Equal(t, all-refused, x.in[0].total(), "as many documents as lines")
		assert.Equal(t, all, x.counter, "as many on the metrics page as lines")
		if !o.unscraped {
			assert.Equal(t, all, row.prometheus, "as many in Prometheus as lines")
		}
	}
	assert.Equal(t, refused, r.refused(), "refused documents are counted")
	if n := len(r.scraper.faults); n > 0 {
		assert.Fail(t, "series went back", "%d times, the first: %s", n, r.scraper.faults[0])
	}
	// A series whose first request was in what is damaged begins with the next.
	if n := len(r.scraper.resets); n > 0 && !o.unequal {
		assert.Fail(t, "series began anew", "%d times, the first: %s", n, r.scraper.resets[0])
	}
	assert.Positive(t, r.scraper.scrapes)
	r.checkRestarts()
	assert.Less(t, row.latency.ratio, maxLatencyRatio, "median latency, relative to the control's")
}

// sent are the traces of all requests.
func (r *run) sent() map[string]bool {
	sent := map[string]bool{}
	for _, request := range r.load.target.all() {
		sent[request.trace] = true
	}
	return sent
}

// checkLoss checks that a backend lost nothing, or what the fault allows, and
// returns how much Modtap says was lost on the way to it.
func (r *run) checkLoss(o *settings, backend string, missing int) (counted int) {
	l, allowed := o.loss(backend)
	if !allowed {
		assert.Zero(r.t, missing, "missing %s", backend)
		return 0
	}
	counted = int(r.scraper.total(l.counter...))
	if l.exact {
		assert.Equal(r.t, counted, missing, "missing %s are counted", backend)
		return counted
	}
	assert.LessOrEqual(r.t, missing, max(l.most, r.behind), "missing %s", backend)
	if missing > 0 {
		assert.Positive(r.t, counted, "missing %s are noticed", backend)
	}
	return counted
}

// away reports whether Modtap was ended or started again amid a request.
func (r *run) away(request record) bool {
	return slices.ContainsFunc(r.gone, func(o outage) bool {
		return request.ended.After(o.from) && request.began.Before(o.to)
	})
}
