// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// The parts of expressions that more than one board needs. %s is a range.
const (
	// hitRatio is design's: of answers that are ok, of operations that can be cached, hits of all that hit or missed.
	hitRatio = `sum(increase(http_server_request_duration_seconds_count{@,goproxy_outcome="ok",goproxy_operation=~"` + Cacheable + `",goproxy_cache_result=~"` + Hits + `"}[%[1]s]))
/ (sum(increase(http_server_request_duration_seconds_count{@,goproxy_outcome="ok",goproxy_operation=~"` + Cacheable + `",goproxy_cache_result=~"miss|` + Hits + `"}[%[1]s])) > 0)`
	// byteHitRatio is the same over the bytes that were sent.
	byteHitRatio = `sum(increase(http_server_response_body_size_bytes_sum{@,goproxy_outcome="ok",goproxy_operation=~"` + Cacheable + `",goproxy_cache_result=~"` + Hits + `"}[%[1]s]))
/ (sum(increase(http_server_response_body_size_bytes_sum{@,goproxy_outcome="ok",goproxy_operation=~"` + Cacheable + `",goproxy_cache_result=~"miss|` + Hits + `"}[%[1]s])) > 0)`
	fetched = `(sum(increase(http_client_response_body_size_bytes_sum{@,goproxy_side="egress"}[%[1]s])) or vector(0))`
	sent    = `sum(increase(http_server_response_body_size_bytes_sum{@}[%[1]s]))`
	offload = `1 - ` + fetched + ` / (` + sent + ` > 0)`

	inRange    = "$__range"
	inInterval = "$__rate_interval"
)

func over(expression, window string) string { return fmt.Sprintf(expression, window) }

// events counts what happened in the range, by labels. What is rare is often a series' first event, which increase doesn't see: of a series
// that wasn't there when the range began, all counts.
func events(by, series string) string {
	group := "sum"
	if by != "" {
		group = "sum by (" + by + ")"
	}
	return fmt.Sprintf("%[1]s((%[2]s unless %[2]s offset %[3]s) or increase(%[2]s[%[3]s]))", group+" ", series, inRange)
}

// unavailable is the share of requests that failed.
func unavailable(operations, window string) string {
	selector := `{@,goproxy_operation=~"` + operations + `"}`
	failed := `{@,goproxy_operation=~"` + operations + `",goproxy_outcome=~"` + Failed + `"}`
	return fmt.Sprintf(`(sum(increase(http_server_request_duration_seconds_count%s[%s])) or vector(0)) / (sum(increase(http_server_request_duration_seconds_count%s[%s])) > 0)`,
		failed, window, selector, window)
}

// slow is the share of answers that are ok that took too long.
func slow(o *Objective, window string) string {
	selector := `@,goproxy_operation=~"` + o.Operations + `",goproxy_outcome="ok"`
	return fmt.Sprintf(`1 - sum(increase(http_server_request_duration_seconds_bucket{%s,le="%s"}[%s])) / (sum(increase(http_server_request_duration_seconds_count{%s}[%s])) > 0)`,
		selector, o.Within, window, selector, window)
}

// budget is the share of an error budget that is left: 1 all, 0 or below none.
func budget(bad string, objective float64) string {
	return fmt.Sprintf("1 - (%s) / (1 - %g)", bad, objective)
}

// each makes a target of each objective.
func each(of func(o *Objective) (expression string), kind func(expression, legend string) *prometheus.DataqueryBuilder) []target {
	targets := make([]target, len(Objectives))
	for i := range Objectives {
		targets[i] = kind(of(&Objectives[i]), Objectives[i].Name)
	}
	return targets
}

// quantile is over classic buckets.
func quantile(q, by, selector, metric string) string {
	group, le := "", "le"
	if by != "" {
		group = by + ","
	}
	return fmt.Sprintf(`histogram_quantile(%s, sum by (%s%s) (rate(%s_bucket%s[%s])))`, q, group, le, metric, selector, inInterval)
}

func overview() board {
	const duration, phases = "http_server_request_duration_seconds", "goproxy_phase_duration_seconds"
	low := limits(colorBad, step{0, colorWarn}, step{0.25, colorGood})
	return board{
		uid: UIDOverview, title: "Overview", since: "now-24h",
		answers: "Is the module proxy healthy, and is it worth its keep?",
		variables: append(selection(),
			choice("slo_window", "SLO window", "Time that error budgets are counted over.", "28d", "7d", "1d", "1h"),
			input("price", "Price per GB", "What a gigabyte (10^9 bytes) from upstream costs you, for the money saved.", "0.09")),
		sections: []section{
			{title: "Service levels", panels: []panel{
				number("Availability", "percentunit", "Share of requests of the SLO window that didn't fail. Good: 99.9 % or more. Not found (404, 410) is an answer and no failure; a client that left isn't one either.",
					latest("1 - "+unavailable(".+", "$slo_window"), "")).Decimals(3).Span(4).Thresholds(limits(colorBad, step{0.995, colorWarn}, step{0.999, colorGood})),
				number("Availability budget left", "percentunit", "What is left of each error budget of the SLO window: 100 % untouched, 0 % spent. Good: above 25 %. Below 0 the objective is missed.",
					each(func(o *Objective) string { return budget(unavailable(o.Operations, "$slo_window"), o.Available) }, latest)...).
					Decimals(1).Span(10).Thresholds(low),
				number("Latency budget left", "percentunit", "What is left of the budgets for slow answers: 99 % of files, questions and checksums within 2.5 s, 95 % of zips within 7.5 s. Good: above 25 %.",
					each(func(o *Objective) string { return budget(slow(o, "$slo_window"), o.Quick) }, latest)...).
					Decimals(1).Span(10).Thresholds(low),
				share("Availability over time", "Share of requests that didn't fail, by operation. Good: a line at 100 %. A dip is a burning budget: look at the upstreams next.",
					line(`1 - (sum by (goproxy_operation) (rate(`+duration+`_count{@,goproxy_outcome=~"`+Failed+`"}[$__rate_interval])) or 0 * sum by (goproxy_operation) (rate(`+duration+`_count{@}[$__rate_interval])))
/ (sum by (goproxy_operation) (rate(`+duration+`_count{@}[$__rate_interval])) > 0)`, "{{goproxy_operation}}")),
				share("Answered in time", "Share of good answers within the objective's time (2.5 s; zips 7.5 s). Good: 99 %, zips 95 %. Long zips of slow clients count too, so compare with the upstreams.",
					each(func(o *Objective) string { return "1 - (" + slow(o, inInterval) + ")" }, line)...),
			}},
			{title: "Rate, errors, duration by operation", panels: []panel{
				stacked("Requests", "reqps", "Requests a second by operation. Good: follows your working day and CI. Many list and latest beside few zips are waste: see Builds and clients.",
					line(`sum by (goproxy_operation) (rate(`+duration+`_count{@}[$__rate_interval]))`, "{{goproxy_operation}}")).Span(8),
				stacked("Requests without a file", "reqps", "Requests a second by an outcome other than ok. Good: only probe, not_found and retry_twin, which are the go command's normal questions. denied is an upstream's other 4xx: its policy, a rate limit, or Modtap's credentials (Upstreams, by status). redirect is a file served from elsewhere. upstream_error, timeout, checksum_mismatch and interrupted are failures.",
					line(`sum by (goproxy_outcome) (rate(`+duration+`_count{@,goproxy_outcome!="ok"}[$__rate_interval]))`, "{{goproxy_outcome}}")).Span(8).NoValue(noEvent),
				graph("Duration", "s", "95th percentile of the time to the last byte, by operation. Good: info and mod in milliseconds when they hit. Exemplars (diamonds) lead to the trace.",
					line(quantile("0.95", "goproxy_operation", "{@}", duration), "{{goproxy_operation}}").Exemplar(true)).Span(8),
				graph("Requests in flight", "short", "Requests that are being answered now, by operation. Good: few, and falling as fast as it rose. A plateau is an upstream that hangs.",
					line(`sum by (goproxy_operation) (http_server_active_requests{@})`, "{{goproxy_operation}}")).Span(8).Min(0),
				graph("Errors", "reqps", "Failed requests a second by error.type: a status code, or a word such as timeout. Good: none. 'not found' with an error is a 404 that says that the proxy couldn't find out, such as 'fetch timed out' of the official mirror: its upstream's trouble, of which no objective hears, and clients build without the module.",
					line(`sum by (error_type, http_response_status_code) (rate(`+duration+`_count{@,goproxy_outcome=~"`+Failed+`"}[$__rate_interval]))`, "{{error_type}} (status {{http_response_status_code}})"),
					line(`sum by (error_type) (rate(`+duration+`_count{@,goproxy_outcome="not_found",error_type!=""}[$__rate_interval]))`, "{{error_type}} (not found)")).Span(8).NoValue(noEvent),
				graph("Failing upstreams", "reqps", "Requests a second to the selected upstreams that failed, not found left aside. Good: none. A line here under a line of errors names the cause.",
					line(`sum by (server_address, error_type) (rate(http_client_request_duration_seconds_count{@,server_address=~"$upstream",error_type!="",error_type!~"404|410"}[$__rate_interval]))`, "{{server_address}} {{error_type}}")).Span(8).NoValue(noEvent),
			}},
			{title: "Where the time goes", panels: []panel{
				stacked("Time by phase", "s", "Seconds of requests' time that go by in a second, by what they go by with: waiting for an upstream or its bytes, for another client's fetch, for a turn, verifying, storing, sending to the client. Good: send and upstream; the whole is the number of requests in flight. Much of verify, store or queue is Modtap's own machine: processor, disk, max_size. Exclusive: of what is done at once, what the request waits for counts.",
					line(`sum by (goproxy_phase_name) (rate(`+phases+`_sum{@}[$__rate_interval]))`, "{{goproxy_phase_name}}"),
					line(`clamp_min(sum(rate(`+duration+`_sum{@}[$__rate_interval])) - sum(rate(`+phases+`_sum{@}[$__rate_interval])), 0)`, "in no phase")),
				grid("Time by operation and phase", "s", "Mean time that a request spends in each phase, over all requests of the operation in this range. Good: what is asked upstream spends it there, hits nearly none. A phase of whole seconds is what to look at.",
					[]column{
						{field: "goproxy_operation", title: "Operation"},
						{field: "goproxy_phase_name", title: "Phase"},
						{field: "Value", title: "Per request", unit: "s"},
					},
					entries(`sort_desc(sum by (goproxy_operation, goproxy_phase_name) (increase(`+phases+`_sum{@}[$__range]))
* on (goproxy_operation) group_left () (1 / (sum by (goproxy_operation) (increase(`+duration+`_count{@}[$__range])) > 0)))`)).Height(8),
			}},
			{title: "What the cache is worth", panels: []panel{
				number("Hit ratio", "percentunit", "Hits, revalidated, stale and coalesced of those and misses; info, mod and zip that were answered ok. Good: above 90 % for a warm cache, against your own last week. What is unknown or bypasses the cache isn't in it.",
					latest(over(hitRatio, inRange), "")).Decimals(1),
				number("Byte hit ratio", "percentunit", "The hit ratio over bytes that were sent. Good: near the hit ratio. Far below it, large zips miss.",
					latest(over(byteHitRatio, inRange), "")).Decimals(1),
				number("Offload", "percentunit", "1 - bytes fetched from upstream / bytes sent to clients. Good: above 80 %. Below 0 more is fetched than sent, since a miss of a .mod brings the zip, or the checksum database's tiles weigh more than what is asked for.",
					latest(over(offload, inRange), "")).Decimals(1).Thresholds(limits(colorBad, step{0, colorNone})),
				number("Saved bytes", "decbytes", "Bytes sent to clients without those fetched from upstream, in this range. Good: as much as possible. Negative: the cache costs traffic.",
					latest(over(sent+" - "+fetched, inRange), "")),
				number("Saved money", "currencyUSD", "The bytes saved in this range at the price per GB above, in the currency of the price. Good: more than the cache costs.",
					latest("("+over(sent+" - "+fetched, inRange)+") / 1e9 * $price", "")).Decimals(2),
				number("Not in the ratio", "percentunit", "Share of good answers of info, mod and zip whose cache result is unknown or bypass. Good: 0 %. If not, the proxy beside Modtap can't be seen from both sides: open the egress.",
					latest(`(sum(increase(`+duration+`_count{@,goproxy_outcome="ok",goproxy_operation=~"`+Cacheable+`",goproxy_cache_result=~"unknown|bypass"}[$__range])) or vector(0)) / (sum(increase(`+duration+`_count{@,goproxy_outcome="ok",goproxy_operation=~"`+Cacheable+`"}[$__range])) > 0)`, "")).Decimals(1),
				share("Ratios over time", "Hit ratio, byte hit ratio and offload. Good: steady, and high. A collapse of the hit ratio alone is a cold or emptied cache; of the offload alone, repeated fetches.",
					line(over(hitRatio, inInterval), "hit ratio"), line(over(byteHitRatio, inInterval), "byte hit ratio"), line(over(offload, inInterval), "offload")),
				graph("Bytes", "Bps", "Bytes a second sent to clients and fetched from upstream. Good: the second well below the first.",
					line(`sum(rate(http_server_response_body_size_bytes_sum{@}[$__rate_interval]))`, "sent to clients"),
					line(`sum(rate(http_client_response_body_size_bytes_sum{@,goproxy_side="egress"}[$__rate_interval]))`, "fetched from upstream")).Min(0),
			}},
		},
	}.with(upstream())
}

// with adds a variable.
func (b board) with(v ...variable) board {
	b.variables = append(b.variables, v...)
	return b
}
