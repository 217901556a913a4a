// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

func upstreams() board {
	const asked = `http_client_request_duration_seconds`
	const modules = `{@,server_address=~"$upstream",goproxy_operation!="sumdb"}`
	const database = `{@,server_address=~"$upstream",goproxy_operation="sumdb"}`
	return board{
		uid: UIDUpstreams, title: "Upstreams",
		answers:   "Which upstream is slow or down, and what do clients notice of it?",
		variables: append(selection(), upstream()),
		sections: []section{
			{title: "Module proxies", panels: []panel{
				stacked("Requests", "reqps", "Requests a second to each upstream. Side egress leaves for an upstream; ingress is the hop to the proxy beside Modtap. Good: far fewer than clients' requests.",
					line(`sum by (server_address, goproxy_side) (rate(`+asked+`_count`+modules+`[$__rate_interval]))`, "{{server_address}} ({{goproxy_side}})")).Span(8),
				share("Failing", "Share of requests that failed; 404 and 410 are answers. Good: 0 %. 429: you are limited; 403: credentials.",
					line(`sum by (server_address) (rate(`+asked+`_count{@,server_address=~"$upstream",goproxy_operation!="sumdb",error_type!="",error_type!~"404|410"}[$__rate_interval]))
/ (sum by (server_address) (rate(`+asked+`_count`+modules+`[$__rate_interval])) > 0)`, "{{server_address}}")).Span(8).NoValue(noEvent),
				graph("Duration", "s", "Median and 99th percentile of the time to the last byte. Good: the 99th below a second, zips aside. Exemplars lead to the trace.",
					line(quantile("0.5", "server_address", modules, asked), "{{server_address}} median"),
					line(quantile("0.99", "server_address", modules, asked), "{{server_address}} 99 %").Exemplar(true)).Span(8),
				heat("Latency", "s", "Requests by duration, classic buckets. Good: one band low down. A second band above it is one kind of request, or one of several hosts, that is slow.",
					buckets(`sum by (le) (increase(`+asked+`_bucket`+modules+`[$__rate_interval]))`).Exemplar(true)),
				graph("Statuses", "reqps", "Answers a second by status. Good: 200 and 404. A request that got no answer has none.",
					line(`sum by (server_address, http_response_status_code) (rate(`+asked+`_count`+modules+`[$__rate_interval]))`, "{{server_address}} {{http_response_status_code}}")).Height(9),
				graph("Time-outs", "reqps", "Requests a second to an upstream that took too long. Good: none. Clients wait all that time: put the circuit breaker or a shorter time-out before it.",
					line(`sum by (server_address, goproxy_operation) (rate(`+asked+`_count{@,server_address=~"$upstream",error_type="timeout"}[$__rate_interval]))`, "{{server_address}} {{goproxy_operation}}")).Span(8).NoValue(noEvent),
				graph("Falls through", "reqps", "Requests a second after which the next element of the GOPROXY list was asked, by reason. Good: not_found alone. Other reasons are an upstream that fails while the next one helps out.",
					line(`sum by (server_address, goproxy_upstream_reason) (rate(goproxy_upstream_fallthroughs_total{@,server_address=~"$upstream"}[$__rate_interval]))`, "{{server_address}} {{goproxy_upstream_reason}}")).Span(8).NoValue(noEvent),
				graph("Circuits", "short", "State of each upstream's circuit breaker, the worst one of all instances. Good: closed. Open: the upstream isn't asked, clients get the next element or 502 at once.",
					line(`max by (server_address) (
  goproxy_upstream_circuit_state{@,server_address=~"$upstream",goproxy_circuit_state="half_open"}
  + ignoring (goproxy_circuit_state) 2 * goproxy_upstream_circuit_state{@,server_address=~"$upstream",goproxy_circuit_state="open"}
)`, "{{server_address}}")).
					Span(8).Min(0).Max(2).Decimals(0).NoValue("no circuit breaker here").Mappings(circuitStates()),
				grid("Upstreams", "short", "Each upstream in this range, by operation and error. Good: no error but 404 and 410.",
					[]column{
						{field: "server_address", title: "Upstream", links: []dashboard.DashboardLink{toLogsWhere("Logs of this upstream", "goproxy.upstream.address"), toTraces("Traces that asked it", "server.address")}},
						{field: "server_port", title: "Port"},
						{field: "goproxy_operation", title: "Operation"},
						{field: "error_type", title: "Error"},
						{field: "Value", title: "Requests", unit: "short"},
					},
					entries(`sum by (server_address, server_port, goproxy_operation, error_type) (increase(`+asked+`_count{@,server_address=~"$upstream"}[$__range])) > 0`)),
				graph("Bytes received", "Bps", "Body bytes a second from each upstream. Good: follows misses.",
					line(`sum by (server_address) (rate(http_client_response_body_size_bytes_sum{@,server_address=~"$upstream"}[$__rate_interval]))`, "{{server_address}}")).Min(0).Height(9),
			}},
			{title: "Checksum database", panels: []panel{
				graph("Requests", "reqps", "Look-ups and tiles a second. Good: few, since they are cached. They are apart because one slow tile can make a module's first request slow that no proxy's metric shows.",
					line(`sum by (server_address) (rate(`+asked+`_count`+database+`[$__rate_interval]))`, "{{server_address}}")).Span(8),
				graph("Duration", "s", "Median and 99th percentile. Good: well below a second.",
					line(quantile("0.5", "server_address", database, asked), "{{server_address}} median"),
					line(quantile("0.99", "server_address", database, asked), "{{server_address}} 99 %").Exemplar(true)).Span(8),
				number("Checksum failures", "short", "Requests in this range that failed because a module isn't what the checksum database says. Good: 0. Anything else is a changed or forged module: stop and look.",
					latest(events("", `goproxy_checksum_failures_total{@}`), "")).Span(4).Height(8).NoValue("0").Thresholds(limits(colorGood, step{0.5, colorBad})),
				number("Private leaks", "short", "Requests in this range that told a public proxy or checksum database of a private module, or would have without the block, by pattern. Good: none. Set GONOSUMDB and GOPRIVATE of those clients.",
					latest(events("goproxy_leak_pattern", `goproxy_private_leaks_total{@}`), "{{goproxy_leak_pattern}}")).Span(4).Height(8).NoValue("0").Thresholds(limits(colorGood, step{0.5, colorBad})),
			}},
			{title: "Certificates", panels: []panel{
				graph("Time left", "s", "Until a certificate expires: of upstreams, and of Modtap's own listeners. Good: more than two weeks. Negative: it has expired.",
					line(`min by (server_address) (goproxy_tls_certificate_not_after_timestamp_seconds{@,server_address!=""}) - time()`, "{{server_address}}"),
					line(`min by (goproxy_listener) (goproxy_tls_certificate_not_after_timestamp_seconds{@,goproxy_listener!=""}) - time()`, "own, {{goproxy_listener}}")).
					Span(24).NoValue("no TLS seen").Thresholds(limits(colorBad, step{14 * 86400, colorGood})),
			}},
			{title: "Refined: native histograms (Prometheus 3 with scrape_native_histograms)", closed: true, panels: []panel{
				heat("Latency, native buckets", "s", "The same as the heat map above in finer buckets. Good: as above. Empty on a Prometheus without native histograms.",
					line(`sum(increase(`+asked+modules+`[$__rate_interval]))`, "").Exemplar(true)).NoValue("no native histograms scraped"),
				graph("Duration, native buckets", "s", "The 99th percentile without the classic buckets' error. Good: below a second.",
					line(`histogram_quantile(0.99, sum by (server_address) (rate(`+asked+modules+`[$__rate_interval])))`, "{{server_address}}")).NoValue("no native histograms scraped").Height(9),
				graph("Duration of clients' requests, native buckets", "s", "99th percentile by operation. Good: as on the overview.",
					line(`histogram_quantile(0.99, sum by (goproxy_operation) (rate(http_server_request_duration_seconds{@}[$__rate_interval])))`, "{{goproxy_operation}}")).NoValue("no native histograms scraped").Span(24),
			}},
		},
	}
}

// circuitStates are the words for what the query makes of a circuit breaker's states.
func circuitStates() []dashboard.ValueMapping {
	m := dashboard.NewValueMap()
	m.Options = map[string]dashboard.ValueMappingResult{
		"0": {Text: new("closed"), Color: new(colorGood)},
		"1": {Text: new("half-open"), Color: new(colorWarn)},
		"2": {Text: new("open"), Color: new(colorBad)},
	}
	return []dashboard.ValueMapping{{ValueMap: m}}
}

// outcomeLinks are the links of a cell that holds an outcome.
func outcomeLinks() []dashboard.DashboardLink {
	return []dashboard.DashboardLink{toLogs("Logs of this outcome", "outcome"), toTraces("Traces of this outcome", attributeOutcome)}
}
