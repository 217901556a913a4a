// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
	"github.com/grafana/grafana-foundation-sdk/go/logs"
)

// found is the Lucene query of what the variables of this board select. A trace's id is a beginning, so that an empty one selects all.
const found = "service.name:$job AND service.instance.id:$instance AND (goproxy.module.path:$module) AND goproxy.outcome:$outcome" +
	" AND trace.id:${trace:raw}* AND ${query:raw}"

func logsBoard() board {
	const failed = ` AND goproxy.outcome:(timeout OR upstream_error OR checksum_mismatch OR interrupted)`
	count := []elasticsearch.MetricAggregation{countDocuments()}
	return board{
		uid: UIDLogs, title: "Logs and traces",
		answers: "What happened to this request, module or build, exactly?",
		variables: append(selection(),
			// Not every document has a module.
			fromDocuments("module", "Module", "goproxy.module.path").AllValue("* OR *:*"),
			fromDocuments("outcome", "Outcome", "goproxy.outcome"),
			input("trace", "Trace", "A trace's id, or its beginning; empty for all.", ""),
			input("query", "Search", `Lucene, such as url.path:*errors* or event.duration:>1000000000 (ns). * for all.`, "*")),
		sections: []section{
			{title: "Errors", panels: []panel{
				stacked("Documents by outcome", "short", "Documents over time. Good: ok, and the go command's probes. Select a bar's time to see its requests below.",
					documents(found, count, terms("2", "goproxy.outcome", "12", "_count"), overTime("3"))).Span(12),
				graph("Slow requests", "ns", "95th and 99th percentile of the duration of the documents that are selected. Good: as on the overview.",
					documents(found, []elasticsearch.MetricAggregation{percentilesOf("1", "event.duration", "95", "99")}, overTime("2"))).Span(12),
				grid("Errors by module", "short", "Failed requests by module, error and upstream's status in this range. Good: empty.",
					[]column{{field: "goproxy.module.path", title: "Module", links: byModule()}, {field: "error.type", title: "Error"}, {field: "goproxy.outcome", title: "Outcome"}, {field: "Count", title: "Requests", unit: "short"}},
					documents(found+failed, count, terms("2", "goproxy.module.path", "30", "_count"), terms("3", "error.type", "5", "_count"), terms("4", "goproxy.outcome", "5", "_count"))).Span(16).NoValue(noEvent),
				grid("Errors by upstream", "short", "Failed requests by the upstreams that were asked. Good: empty.",
					[]column{{field: "goproxy.upstream.address", title: "Upstream"}, {field: "Count", title: "Requests", unit: "short"}},
					documents(found+failed, count, terms("2", "goproxy.upstream.address", "20", "_count"))).Span(8).NoValue(noEvent),
			}},
			{title: "Documents", panels: []panel{
				requests("Requests", "Each request that is selected, newest first: open one for its fields; trace.id links to Jaeger. Good: what you looked for.",
					documents(found, []elasticsearch.MetricAggregation{logsOf("1", "200")})),
			}},
			{title: "Traces", panels: []panel{
				grid("Latest traces", "short", "Traces of the proxy from Jaeger. Good: each go command is one trace; what is slow shows its longest span.",
					[]column{{field: "traceID", title: "Trace", links: toTrace()}, {field: "traceName", title: "Name"}, {field: "startTime", title: "Start", unit: "dateTimeAsIso"}, {field: "duration", title: "Duration", unit: "µs"}},
					jaegerQuery{"queryType": "search", "service": "$job", "limit": 20}),
				grid("Failed traces", "short", "Traces with a span in error. Good: none. A 404 isn't an error.",
					[]column{{field: "traceID", title: "Trace", links: toTrace()}, {field: "traceName", title: "Name"}, {field: "startTime", title: "Start", unit: "dateTimeAsIso"}, {field: "duration", title: "Duration", unit: "µs"}},
					jaegerQuery{"queryType": "search", "service": "$job", "tags": "error=true", "limit": 20}).NoValue(noEvent),
				dashboard.NewPanelBuilder().Type("traces").Title("Trace").Unit("ns").Span(24).Height(16).NoValue("type or click a trace's id above").
					Description("The trace whose id is typed above: the build, its requests, what they asked upstream. Good: the longest bar is a zip's transfer. Each span links to its document.").
					WithTarget(jaegerQuery{"query": "$trace"}),
			}},
		},
	}
}

// requests is a panel of whole documents.
func requests(title, good string, t target) panel {
	return logs.NewPanelBuilder().Title(title).Description(good).Unit("short").NoValue(noData).Span(24).Height(14).
		ShowTime(true).WrapLogMessage(true).EnableLogDetails(true).PrettifyLogMessage(false).ShowLabels(false).ShowCommonLabels(false).
		SortOrder(common.LogsSortOrderDescending).DedupStrategy(common.LogsDedupStrategyNone).WithTarget(t)
}
