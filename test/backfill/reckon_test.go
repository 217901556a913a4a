// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// reckoned is what the rules should measure of a proxy, reckoned from the list of cases alone, some time after its last sample.
type reckoned struct {
	proxy
	gap time.Duration // since the last sample
}

// sum adds up a window that ends now. Days are added up from the five minutes of every evaluation: five evaluations see a minute, but the
// last four minutes haven't been seen as often yet.
func (r reckoned) sum(window time.Duration, pick func(traffic) float64) float64 {
	total := r.between(0, window-r.gap, pick)
	if window < day {
		return total
	}
	for minute := range time.Duration(4) {
		total -= pick(r.at(minute*time.Minute)) * float64(4-minute) / 5
	}
	return total
}

// between adds up the minutes from from until until before the last sample.
func (r reckoned) between(from, until time.Duration, pick func(traffic) float64) (total float64) {
	for ago := from.Truncate(time.Minute); ago < min(until, r.age+1); ago += time.Minute {
		total += pick(r.at(ago))
	}
	return total
}

// Numbers of the rules, repeated: a test that took them from the rules couldn't tell that they changed.
const (
	minLookups = 50  // in an hour, for a hit ratio to count
	minKnown   = 360 // minutes with a hit ratio, for a week's one to count
)

// hitRatio is that of the hour that ended ago before the last sample; false: too few look-ups.
func (r reckoned) hitRatio(ago, window time.Duration) (float64, bool) {
	lookups := r.between(ago, ago+window, traffic.answers)
	return r.between(ago, ago+window, traffic.hits) / lookups, lookups >= minLookups
}

// usual is the mean hit ratio of the week that ended an hour ago; false: too little of it is known.
func (r reckoned) usual() (float64, bool) {
	var total, known float64
	for ago := time.Hour - r.gap; ago < min(week+time.Hour-r.gap, r.age); ago += time.Minute {
		if ratio, ok := r.hitRatio(ago, time.Hour); ok {
			total, known = total+ratio, known+1
		}
	}
	return total / known, known >= minKnown
}

// measure is a recorded series, and what it should be; false: it must have no value for this proxy.
type measure struct {
	series string
	of     func(reckoned) (float64, bool)
}

// measures are what the rules with long windows compare.
var measures = []measure{
	{"job:goproxy_lookups:increase1h", counted(time.Hour, traffic.answers)},
	{"job:goproxy_hit_ratio:increase1h", func(r reckoned) (float64, bool) { return r.hitRatio(0, time.Hour-r.gap) }},
	{"job:goproxy_hit_ratio:avg1w", reckoned.usual},
	{"job_operation:goproxy_requests:increase1d", counted(day, traffic.all)},
	{"job_operation:goproxy_requests:increase3d", counted(3*day, traffic.all)},
	{"job_operation:goproxy_failed:increase3d", counted(3*day, traffic.failures)},
	{"job_operation:goproxy_answered:increase3d", counted(3*day, traffic.answers)},
	{"job_operation:goproxy_slow:increase3d", counted(3*day, traffic.late)},
}

func counted(window time.Duration, pick func(traffic) float64) func(reckoned) (float64, bool) {
	return func(r reckoned) (float64, bool) { return r.sum(window, pick), true }
}

// windows are those of the alerts, as their label has them.
var windows = map[string]time.Duration{"1h": time.Hour, "6h": 6 * time.Hour, "1d": day, "3d": 3 * day}

// expectation is an alert's value, and what its summary has to name and the percentages that it has to say.
type expectation struct {
	value       float64
	names       string
	percentages []float64
}

// expect reckons what an alert should say of this proxy.
func (r reckoned) expect(tb testing.TB, a alert) expectation {
	tb.Helper()
	switch a.name {
	case collapse:
		now, _ := r.hitRatio(0, time.Hour-r.gap)
		before, known := r.usual()
		require.True(tb, known, "%s has no week", r.job)
		return expectation{value: now, names: r.job, percentages: []float64{100 * now, 100 * before}}
	case availability:
		share := r.share(tb, a.window, traffic.failures, traffic.all)
		return expectation{value: share, names: r.job, percentages: []float64{100 * share, 100 * (1 - objective(tb).Available)}}
	case latency:
		share := r.share(tb, a.window, traffic.late, traffic.answers)
		return expectation{value: share, names: r.job, percentages: []float64{100 * share, 100 * (1 - objective(tb).Quick)}}
	}
	tb.Fatalf("nothing is reckoned for %s", a.name)
	return expectation{}
}

func (r reckoned) share(tb testing.TB, window string, part, whole func(traffic) float64) float64 {
	tb.Helper()
	length, ok := windows[window]
	require.True(tb, ok, "window %q", window)
	return r.sum(length, part) / r.sum(length, whole)
}
