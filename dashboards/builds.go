// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

// clients is a table of the requests by a field of the documents that says who asked.
func clients(title, good, field string) *table.PanelBuilder {
	links := []dashboard.DashboardLink{toLogsWhere("Logs of this one", field), toTraces("Traces of this one", field)}
	columns := []column{{field: field, title: title, links: links}, {field: "Count", title: "Requests", unit: "short"}, {field: "Sum", title: "Bytes", unit: "decbytes"}}
	metrics := []elasticsearch.MetricAggregation{countDocuments(), sumOf("3", "http.response.body.bytes")}
	return grid(title, "short", good, columns, documents(filter("goproxy.side:ingress AND _exists_:"+field), metrics, terms("2", field, "20", "_count"))).Span(8)
}

func builds() board {
	const served = `http_server_request_duration_seconds_count`
	const questions = `sum(increase(` + served + `{@,goproxy_operation=~"list|latest|query"}[%[1]s])) / (sum(increase(` + served + `{@,goproxy_operation="zip"}[%[1]s])) > 0)`
	const wasted = `(sum(increase(` + served + `{@,goproxy_outcome=~"probe|retry_twin|not_found"}[%[1]s])) or vector(0)) / (sum(increase(` + served + `{@}[%[1]s])) > 0)`
	return board{
		uid: UIDBuilds, title: "Builds and clients",
		answers:   "Who builds, how long do their downloads take, and what of it is waste?",
		variables: selection(),
		sections: []section{
			{title: "Sessions: all requests of one go command", panels: []panel{
				stacked("Sessions", "short", "Sessions that ended, a second. Inferred ones are told apart by client and pauses; others by GOAUTH or traceparent. Good: follows your CI; inferred=false where goauth is set up.",
					line(`sum by (goproxy_session_inferred) (rate(goproxy_session_duration_seconds_count{@}[$__rate_interval]))`, "inferred={{goproxy_session_inferred}}")).Span(8),
				graph("Duration", "s", "Median and 95th percentile from a session's first request to the end of its last. Good: seconds. Minutes: cold caches, or slow upstreams. Exemplars lead to the build's trace.",
					line(quantile("0.5", "", `{@}`, "goproxy_session_duration_seconds"), "median"),
					line(quantile("0.95", "", `{@}`, "goproxy_session_duration_seconds"), "95 %").Exemplar(true)).Span(8),
				graph("Requests per build", "short", "Median and 95th percentile of the requests of a session. Good: near the number of your modules, once. Many times that: CI without a module cache.",
					line(quantile("0.5", "", `{@}`, "goproxy_session_requests"), "median"),
					line(quantile("0.95", "", `{@}`, "goproxy_session_requests"), "95 %")).Span(8),
				heat("Durations", "s", "Sessions by duration. Good: most below ten seconds; a band of long ones is builds with an empty cache.",
					buckets(`sum by (le) (increase(goproxy_session_duration_seconds_bucket{@}[$__rate_interval]))`)),
				grid("Largest builds", "short", "Sessions by requests in this range, from the documents. Good: your largest service's. The id is the trace's: open it to see where the time went.",
					[]column{
						{field: "goproxy.session.id", title: "Session", links: toTrace()},
						{field: "Count", title: "Requests", unit: "short"},
						{field: "Sum http.response.body.bytes", title: "Bytes", unit: "decbytes"},
						{field: "Sum event.duration", title: "Time in requests", unit: "ns"},
					},
					documents(filter("goproxy.side:ingress AND _exists_:goproxy.session.id"),
						[]elasticsearch.MetricAggregation{countDocuments(), sumOf("3", "http.response.body.bytes"), sumOf("4", "event.duration")}, terms("2", "goproxy.session.id", "20", "_count"))),
			}},
			{title: "Who", panels: []panel{
				grid("Clients", "short", "The heaviest clients by requests in this range, the rest is _other; addresses are hashed where the receiver says so. Good: CI runners and developers alike. One far above all: look for a loop.",
					[]column{{field: "goproxy_client_name", title: "Client"}, {field: "Value", title: "Requests", unit: "short"}},
					entries(`topk(20, sum by (goproxy_client_name) (increase(goproxy_requests_total{@}[$__range]))) > 0`)).Span(8),
				clients("Users", "Names that clients authenticate with. Good: service accounts for CI. Empty without authentication.", "user.name"),
				clients("Addresses", "Client addresses, hashed where the receiver says so. Good: spread. One far above all: look for a loop.", "client.address"),
				clients("Pipelines", "CI pipelines, told by modtap goauth. Good: shares like your builds'. Empty without goauth.", "cicd.pipeline.name"),
				clients("CI jobs", "CI jobs, told by modtap goauth. Good: jobs with many bytes have a module cache to gain from.", "cicd.pipeline.task.name"),
				clients("User agents", "What asks. Good: the go command; anything else is a scanner or a mirror.", "user_agent.original"),
			}},
			{title: "Go versions", panels: []panel{
				grid("Toolchains", "short", "Toolchains that clients downloaded in this range. Good: few versions, those that you support. This is the only sign of Go versions on the server's side.",
					[]column{{field: "goproxy_toolchain_version", title: "Version"}, {field: "goproxy_toolchain_os", title: "OS"}, {field: "goproxy_toolchain_arch", title: "Architecture"}, {field: "Value", title: "Downloads", unit: "short"}},
					entries(events("goproxy_toolchain_version, goproxy_toolchain_os, goproxy_toolchain_arch", `goproxy_toolchain_requests_total{@}`)+" > 0")).NoValue(noEvent),
				graph("Toolchain downloads", "reqps", "Downloads of Go a second, by version. Good: a step after a release. A steady line is CI that downloads 70 MB for each build: put Go into the image.",
					line(`sum by (goproxy_toolchain_version) (rate(goproxy_toolchain_requests_total{@}[$__rate_interval]))`, "{{goproxy_toolchain_version}}")).NoValue(noEvent).Height(9),
			}},
			{title: "Waste", panels: []panel{
				number("Questions per zip", "short", "list, latest and queries for each zip in this range. Good: below 2. Above 10 is list amplification: go get -u in CI, or a bot that asks for updates of everything.",
					latest(over(questions, inRange), "")).Decimals(1).Thresholds(limits(colorGood, step{2, colorWarn}, step{10, colorBad})),
				number("Requests for nothing", "percentunit", "Share of requests in this range that were probes, twins of a 4xx, or not found. Good: below 20 %. Set GOPRIVATE or longer module paths' owners.",
					latest(over(wasted, inRange), "")).Decimals(1).Thresholds(limits(colorGood, step{0.2, colorWarn}, step{0.5, colorBad})),
				graph("Questions per zip over time", "short", "list, latest and queries for each zip. Good: flat. A jump is a bot.",
					line(over(questions, inInterval), "questions per zip")).Span(8).Height(8),
				stacked("Probes and twins", "reqps", "Requests a second that found nothing. probe: go get tries a/b/c, a/b and a; retry_twin: over HTTPS each 4xx is sent twice; not_found: what was really asked for, and in doubt. Good: few beside the requests. A storm is one client that asks for paths that don't exist.",
					line(`sum by (goproxy_outcome) (rate(`+served+`{@,goproxy_outcome=~"probe|retry_twin|not_found"}[$__rate_interval]))`, "{{goproxy_outcome}}")).Span(8).NoValue(noEvent),
				grid("Probed paths", "short", "Paths that were asked for and weren't there, by how often. Good: the parents of private modules, once a build. Set GOPRIVATE for them, so that nobody asks.",
					[]column{{field: "goproxy.module.path", title: "Module", links: byModule()}, {field: "goproxy.outcome", title: "Outcome"}, {field: "Count", title: "Requests", unit: "short"}},
					documents(filter("goproxy.side:ingress AND goproxy.outcome:(probe OR not_found OR retry_twin)"), []elasticsearch.MetricAggregation{countDocuments()}, terms("2", "goproxy.module.path", "20", "_count"), terms("3", "goproxy.outcome", "5", "_count"))).NoValue(noEvent),
				grid("Most asked questions", "short", "Modules by list, latest and queries in this range. Good: even. One module a thousand times: pin it.",
					[]column{{field: "goproxy.module.path", title: "Module", links: byModule()}, {field: "goproxy.operation", title: "Operation"}, {field: "Count", title: "Requests", unit: "short"}},
					documents(filter("goproxy.side:ingress AND goproxy.operation:(list OR latest OR query)"), []elasticsearch.MetricAggregation{countDocuments()}, terms("2", "goproxy.module.path", "20", "_count"), terms("3", "goproxy.operation", "5", "_count"))),
			}},
		},
	}
}
