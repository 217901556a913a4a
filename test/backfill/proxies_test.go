// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backfill

import "time"

const (
	day  = 24 * time.Hour
	week = 7 * day

	// operation is what all requests of all proxies ask for.
	operation = "info"
)

// traffic is what a proxy does in a minute.
type traffic struct {
	requests float64
	hit      float64 // share of those answered that the cache answered
	failed   float64 // share of the requests
	slow     float64 // share of those answered that took longer than the objective allows
}

func (t traffic) failures() float64 { return t.requests * t.failed }
func (t traffic) answers() float64  { return t.requests - t.failures() }
func (t traffic) hits() float64     { return t.answers() * t.hit }
func (t traffic) misses() float64   { return t.answers() - t.hits() }
func (t traffic) late() float64     { return t.answers() * t.slow }
func (t traffic) all() float64      { return t.requests }

// proxy is one case: what a job did, told by how long before the end of the file it was, and what has to fire for it.
type proxy struct {
	job   string
	age   time.Duration // how long before the end its first minute is
	at    func(ago time.Duration) traffic
	fires []alert
}

// alert is one that has to fire for a proxy.
type alert struct {
	name, window, severity string
}

const (
	collapse     = "GoproxyHitRatioCollapse"
	availability = "GoproxyAvailabilityBurn"
	latency      = "GoproxyLatencyBurn"
)

// usual is a proxy that is well.
var usual = traffic{requests: 100, hit: 0.9}

// proxies lists the cases; what burns an error budget needs three days and what the longest window of raw series reads before.
func proxies() []proxy {
	const old, threeDays = week + 36*time.Hour, 3*day + 7*time.Hour
	cold := traffic{requests: 100, hit: 0.2}
	failing := func(share float64) traffic { return traffic{requests: 100, hit: 0.9, failed: share} }
	late := func(share float64) traffic { return traffic{requests: 100, hit: 0.9, slow: share} }
	return []proxy{
		{job: "collapsed", age: old, at: turns(usual, 3*time.Hour, cold), fires: []alert{{collapse, "", "warning"}}},
		// The same traffic without the fall.
		{job: "steady", age: old, at: always(usual)},
		// 42 look-ups an hour, below the minimum, and all of them miss.
		{job: "asleep", age: old, at: turns(traffic{requests: 10, hit: 0.9}, 3*time.Hour, traffic{requests: 0.7})},
		// The same fall, but less than six hours of a past are known an hour before.
		{job: "newborn", age: 6 * time.Hour, at: turns(usual, 2*time.Hour, cold)},
		{job: "first-day", age: 20 * time.Hour, at: warming(20 * time.Hour)},
		// 0.2 % is twice the budget: too much for three days, not for any shorter window.
		{job: "smouldering", age: threeDays, at: turns(usual, 3*day, failing(0.002)), fires: []alert{{availability, "3d", "warning"}}},
		// 10 % for half an hour: 5 % of an hour, 0.83 % of six, but only 0.21 % of a day and 0.07 % of three, where 0.3 % and 0.1 % are allowed.
		{job: "broken", age: threeDays, at: turns(usual, 30*time.Minute, failing(0.1)), fires: []alert{
			{availability, "1h", "critical"}, {availability, "6h", "critical"},
		}},
		// 20 % for half an hour is a budget of four days: the slow windows see it too.
		{job: "ruined", age: threeDays, at: turns(usual, 30*time.Minute, failing(0.2)), fires: []alert{
			{availability, "1h", "critical"}, {availability, "6h", "critical"}, {availability, "1d", "warning"}, {availability, "3d", "warning"},
		}},
		// The same 10 % for half an hour, an hour ago: the short windows know that it is over.
		{job: "mended", age: threeDays, at: between(usual, 90*time.Minute, time.Hour, failing(0.1))},
		// Half of the budget.
		{job: "tolerable", age: threeDays, at: always(failing(0.0005))},
		// 2 % slow answers where 1 % is allowed; half of them for half an hour; half of the budget.
		{job: "sluggish", age: threeDays, at: turns(usual, 3*day, late(0.02)), fires: []alert{{latency, "3d", "warning"}}},
		{job: "stuck", age: threeDays, at: turns(usual, 30*time.Minute, late(0.5)), fires: []alert{{latency, "1h", "critical"}}},
		{job: "unhurried", age: threeDays, at: always(late(0.005))},
	}
}

func always(t traffic) func(time.Duration) traffic {
	return func(time.Duration) traffic { return t }
}

// turns is a proxy that has been doing something else for the last while.
func turns(before traffic, last time.Duration, now traffic) func(time.Duration) traffic {
	return between(before, last, 0, now)
}

// between is a proxy that did something else for a while: from from until until before the end.
func between(before traffic, from, until time.Duration, meanwhile traffic) func(time.Duration) traffic {
	return func(ago time.Duration) traffic {
		if ago < from && ago >= until {
			return meanwhile
		}
		return before
	}
}

// warming is a proxy whose cache begins empty and fills while it lives.
func warming(age time.Duration) func(time.Duration) traffic {
	return func(ago time.Duration) traffic {
		return traffic{requests: usual.requests, hit: usual.hit * float64(age-ago) / float64(age)}
	}
}
