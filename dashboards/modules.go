// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
)

func modules() board {
	const top = `topk(20, sum by (goproxy_module_path) (increase(%s{@,goproxy_module_path!="_other"%s}[$__range]))) > 0`
	named := func(value, unit string) []column {
		return []column{{field: "goproxy_module_path", title: "Module", links: byModule()}, {field: "Value", title: value, unit: unit}}
	}
	const failed = `goproxy.side:ingress AND goproxy.outcome:(timeout OR upstream_error OR checksum_mismatch OR interrupted)`
	return board{
		uid: UIDModules, title: "Modules", since: "now-24h",
		answers:   "Which modules weigh most, miss most, fail or are slow, and who last wanted them?",
		variables: selection(),
		sections: []section{
			{title: "From Prometheus: the heaviest modules, the rest is _other", panels: []panel{
				grid("Most requested", "short", "Modules by requests in this range. Good: your own frameworks. A module that nobody builds with is a probe storm: see Builds and clients.",
					named("Requests", "short"), entries(fmt.Sprintf(top, "goproxy_module_requests_total", ""))).Span(8),
				grid("Most bytes", "decbytes", "Modules by bytes sent in this range. Good: few large ones; golang.org/toolchain on top means that clients download Go again and again.",
					named("Bytes", "decbytes"), entries(fmt.Sprintf(top, "goproxy_module_transferred_bytes_total", ""))).Span(8),
				grid("Most misses", "short", "Modules by misses in this range. Good: a few for each new version. Many for one module: it is evicted, or can't be cached.",
					named("Misses", "short"), entries(fmt.Sprintf(top, "goproxy_module_requests_total", `,goproxy_cache_result="miss"`))).Span(8),
				share("Named by Prometheus", "Share of requests that name a module that isn't in _other: how much of the traffic the tables above stand for. Good: above 50 %. Else raise the receiver's number of heavy hitters, or use the tables below.",
					line(`sum(rate(goproxy_module_requests_total{@,goproxy_module_path!="_other"}[$__rate_interval])) / (sum(rate(goproxy_module_requests_total{@}[$__rate_interval])) > 0)`, "named")),
				stacked("Bytes by result", "Bps", "Bytes a second of modules' files, by cache result. Good: hit on top of everything.",
					line(`sum by (goproxy_cache_result) (rate(goproxy_module_transferred_bytes_total{@}[$__rate_interval]))`, "{{goproxy_cache_result}}")),
			}},
			{title: "From Elasticsearch: every module", panels: []panel{
				grid("Most failures", "short", "Modules by failed requests in this range. Good: empty. One module: look at its host; all: look at the upstreams.",
					[]column{{field: "goproxy.module.path", title: "Module", links: byModule()}, {field: "goproxy.outcome", title: "Outcome"}, {field: "Count", title: "Failures", unit: "short"}},
					documents(filter(failed), []elasticsearch.MetricAggregation{countDocuments()}, terms("2", "goproxy.module.path", "20", "_count"), terms("3", "goproxy.outcome", "5", "_count"))).NoValue(noEvent),
				grid("Slowest", "ns", "Modules by their slowest request in this range. Good: large zips alone. A slow .info or .mod hides a slow checksum database.",
					[]column{{field: "goproxy.module.path", title: "Module", links: byModule()}, {field: "Average", title: "Mean", unit: "ns"}, {field: "Max", title: "Slowest", unit: "ns"}},
					documents(filter("goproxy.side:ingress AND goproxy.outcome:ok"), []elasticsearch.MetricAggregation{maxOf("1", "event.duration"), averageOf("4", "event.duration")}, terms("2", "goproxy.module.path", "20", "1"))),
				grid("Last requested", "short", "When each module was last wanted, and how often in this range. Good: what is old here can leave your cache and your review list.",
					[]column{{field: "goproxy.module.path", title: "Module", links: byModule()}, {field: "goproxy.module.version", title: "Version"}, {field: "Max", title: "Last requested", unit: "dateTimeAsIso"}, {field: "Count", title: "Requests", unit: "short"}},
					documents(filter("goproxy.side:ingress"), []elasticsearch.MetricAggregation{countDocuments(), maxOf("4", "@timestamp")}, terms("2", "goproxy.module.path", "100", "4"), terms("3", "goproxy.module.version", "5", "4"))).Span(24).Height(10),
			}},
		},
	}
}
