// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/modtap/modtap/dashboards"
)

const requestDuration = "http_server_request_duration_seconds"

// burn is a pair of windows in which an error budget is spent too fast. The short one ends the alert soon after the fault.
type burn struct {
	factor      float64 // 1 spends the budget of the SLO window in exactly that window
	long, short time.Duration
	severity    string
}

// burns are those of the SRE workbook (https://sre.google/workbook/alerting-on-slos/): 2 % of a month's budget in one hour, 5 % in six
// hours, 10 % in a day or in three days.
var burns = []burn{
	{factor: 14.4, long: time.Hour, short: 5 * time.Minute, severity: critical},
	{factor: 6, long: 6 * time.Hour, short: 30 * time.Minute, severity: critical},
	{factor: 3, long: day, short: 2 * time.Hour, severity: warning},
	{factor: 1, long: 3 * day, short: 6 * time.Hour, severity: warning},
}

// patience is how long a budget must be spent too fast. A whole outage reaches the fastest window in 52 s; the alert that names its cause
// (GoproxyUpstreamDown) needs a little more than three minutes at most, and must be there to hold this one back.
const patience = 4 * time.Minute

// counted are the windows in which raw series are read. Longer ones add up the five minutes of every evaluation: three days of raw
// series are too many to read each minute.
var (
	counted = []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour}
	summed  = []time.Duration{day, 3 * day}
)

// What is recorded, by job and operation.
const (
	requests = "job_operation:goproxy_requests:increase"
	failed   = "job_operation:goproxy_failed:increase"   // of requests
	answered = "job_operation:goproxy_answered:increase" // requests with outcome ok
	slow     = "job_operation:goproxy_slow:increase"     // of answered
)

func (s Settings) slo() File {
	g := Group{Name: "modtap-slo", Interval: s.window(interval)}
	for _, w := range counted {
		g.Rules = append(g.Rules, s.count(w)...)
	}
	for _, w := range summed {
		for _, name := range []string{requests, failed, answered, slow} {
			g.Rules = append(g.Rules, record(name+span(w), fmt.Sprintf("sum_over_time(%s%s[%s]) * %s / %s",
				name, span(counted[0]), s.window(w), s.seconds(interval), s.seconds(counted[0]))))
		}
	}
	for i := range dashboards.Objectives {
		o := &dashboards.Objectives[i]
		for _, b := range burns {
			g.Rules = append(g.Rules, s.rule(s.availability(o, b)), s.rule(s.latency(o, b)))
		}
	}
	return File{Name: "slo.yaml", Groups: []Group{g}}
}

// count records what happened in a window. A failure that is a series' first event is seen from the next one on.
func (s Settings) count(w time.Duration) []Rule {
	name, in := span(w), s.window(w)
	by := func(selector string) string {
		return fmt.Sprintf("sum by (job, goproxy_operation) (increase(%s_count{%s}[%s]))", requestDuration, selector, in)
	}
	late := make([]string, len(dashboards.Objectives))
	for i, o := range dashboards.Objectives {
		late[i] = fmt.Sprintf("clamp_min(%s%s{goproxy_operation=~%q} - sum by (job, goproxy_operation) (increase(%s_bucket{goproxy_outcome=\"ok\",goproxy_operation=~%q,le=%q}[%s])), 0)",
			answered, name, o.Operations, requestDuration, o.Operations, o.Within, in)
	}
	return []Rule{
		record(requests+name, by(`goproxy_operation!=""`)),
		record(failed+name, by(`goproxy_outcome=~"`+dashboards.Failed+`"`)+"\nor 0 * "+requests+name),
		record(answered+name, by(`goproxy_outcome="ok"`)),
		record(slow+name, strings.Join(late, "\nor ")),
	}
}

func (s Settings) availability(o *dashboards.Objective, b burn) alert {
	return s.burning(o, b, alert{
		name: "GoproxyAvailabilityBurn",
		expr: s.spends(o, b, failed, requests, o.Available),
		summary: fmt.Sprintf("{{ $value | humanizePercentage }} of the {{ $labels.goproxy_operation }} requests to {{ $labels.job }} failed in the last %s (objective: %s), %s",
			s.window(b.long), percent(1-o.Available), speed(b)),
	})
}

func (s Settings) latency(o *dashboards.Objective, b burn) alert {
	return s.burning(o, b, alert{
		name: "GoproxyLatencyBurn",
		expr: s.spends(o, b, slow, answered, o.Quick),
		summary: fmt.Sprintf("{{ $value | humanizePercentage }} of the {{ $labels.goproxy_operation }} answers of {{ $labels.job }} took longer than %s s in the last %s (objective: %s), %s",
			o.Within, s.window(b.long), percent(1-o.Quick), speed(b)),
	})
}

func (s Settings) burning(o *dashboards.Objective, b burn, a alert) alert {
	a.severity, a.team, a.lasts = b.severity, teamProxy, patience
	a.labels = map[string]string{"slo": o.Name, "window": s.window(b.long)}
	a.board, a.since, a.kept = dashboards.UIDOverview, b.long, [][2]string{{"job", "job"}}
	return a
}

// spends holds where bad ones of all spend the budget of an objective too fast in both windows.
func (s Settings) spends(o *dashboards.Objective, b burn, bad, all string, objective float64) string {
	limit := number(b.factor * (1 - objective))
	long, short := span(b.long), span(b.short)
	return fmt.Sprintf(`%[1]s%[3]s{goproxy_operation=~%[5]q} / (%[2]s%[3]s > 0) > %[6]s
and %[1]s%[4]s / (%[2]s%[4]s > 0) > %[6]s
and %[2]s%[3]s >= %[7]d
and %[1]s%[3]s >= %[8]d`, bad, all, long, short, o.Operations, limit, s.MinRequests, s.MinFailures)
}

func speed(b burn) string {
	if b.factor == 1 {
		return "which spends the error budget faster than it grows"
	}
	return "which spends the error budget more than " + number(b.factor) + " times too fast"
}

func percent(share float64) string { return number(share*100) + "%" }

// number writes without the noise of binary fractions: 14.4 * (1 - 0.999) is 0.0144.
func number(f float64) string { return strconv.FormatFloat(math.Round(f*1e9)/1e9, 'f', -1, 64) }
