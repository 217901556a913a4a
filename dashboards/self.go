// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import "strings"

// own selects Modtap's own series: job and instance are those of the scrape, since Modtap's metrics of itself aren't about the proxy.
func own(expression string) string {
	return strings.ReplaceAll(expression, "{own", `{instance=~"$modtap"`)
}

func self() board {
	selfLine := func(expression, legend string) target { return line(own(expression), legend) }
	const perRequest = ` / (sum(rate(http_server_request_duration_seconds_count{@}[$__rate_interval])) > 0)`
	return board{
		uid: UIDSelf, title: "Modtap itself",
		answers: "Does Modtap tell all that it saw, and what does it cost the traffic?",
		variables: append(selection(),
			fromMetrics("modtap", "Modtap", `label_values(otelcol_process_uptime_seconds_total, instance)`).
				Description("Address of Modtap's /metrics, as Prometheus scrapes it.").IncludeAll(true).AllValue(".*").Multi(true).Current(everything())),
		sections: []section{
			{title: "Nothing lost", panels: []panel{
				number("Exchanges lost", "short", "Exchanges, or records of them, in this range that were never told. Good: 0.",
					latest(own(`sum(increase(otelcol_receiver_exchange_lost_total{own}[$__range]))`), "")).NoValue(noData).Thresholds(limits(colorGood, step{0.5, colorBad})),
				number("Items dropped", "short", "Records, spans and points in this range that an exporter dropped. Good: 0. The reason is below.",
					latest(own(`sum(increase(otelcol_exporter_dropped_items_total{own}[$__range]))`), "")).NoValue(noData).Thresholds(limits(colorGood, step{0.5, colorBad})),
				number("Requests lost from queues", "short", "Batches in this range that a queue's broken file swallowed. Good: 0.",
					latest(own(`sum(increase(otelcol_exporter_queue_lost_requests_total{own}[$__range]))`), "")).NoValue("no queue").Thresholds(limits(colorGood, step{0.5, colorBad})),
				number("Oldest waiting", "s", "Age of the oldest record, span or point that no backend has yet. Good: below 30 s. Rising: a backend is down; all of it waits on disk.",
					latest(own(`max(max(otelcol_exporter_queue_oldest_age_seconds{own}) or max(otelcol_receiver_exchange_oldest_age_seconds{own}))`), "")).NoValue(noData).Thresholds(limits(colorGood, step{30, colorWarn}, step{300, colorBad})),
				number("Journal filled", "percentunit", "Fullest journal. Good: below 10 %. At 100 % the oldest exchanges are lost.",
					latest(own(`max(otelcol_receiver_exchange_journal_size_bytes{own} / otelcol_receiver_exchange_journal_max_size_bytes{own})`), "")).NoValue(noData).Decimals(1).Thresholds(limits(colorGood, step{0.5, colorWarn}, step{0.9, colorBad})),
				number("Fullest queue", "percentunit", "Fullest exporter's queue. Good: below 10 %. At 100 % what comes is dropped and counted.",
					latest(own(`max(otelcol_exporter_queue_size{own} / (otelcol_exporter_queue_capacity{own} > 0))`), "")).NoValue("no queue").Decimals(1).Thresholds(limits(colorGood, step{0.5, colorWarn}, step{0.9, colorBad})),
				graph("Lost by reason", "short", "Exchanges a second that were lost. refused: the pipeline refused them; full: the journal had no room; damaged: its file is broken. Good: none.",
					selfLine(`sum by (signal, reason) (rate(otelcol_receiver_exchange_lost_total{own}[$__rate_interval]))`, "{{signal}} {{reason}}")).NoValue(noData).Min(0),
				graph("Dropped by exporter", "short", "Items a second that an exporter dropped. given_up: after retries; queue_full: no room; queue_damaged: its file is broken; refused: the backend refuses them for good. Good: none.",
					selfLine(`sum by (exporter, data_type, reason) (rate(otelcol_exporter_dropped_items_total{own}[$__rate_interval]))`, "{{exporter}} {{data_type}} {{reason}}")).NoValue(noData).Min(0),
			}},
			{title: "Journal", panels: []panel{
				graph("Size", "bytes", "Bytes of the journal's records and their bound. Good: kilobytes. It grows as long as the slowest signal isn't told.",
					selfLine(`sum by (instance, goproxy_service_name) (otelcol_receiver_exchange_journal_size_bytes{own})`, "{{goproxy_service_name}} {{instance}}"),
					selfLine(`sum by (instance, goproxy_service_name) (otelcol_receiver_exchange_journal_max_size_bytes{own})`, "bound of {{goproxy_service_name}} {{instance}}")).Span(8).Min(0).NoValue(noData),
				graph("Waiting", "short", "Exchanges that wait to be handed to a signal's exporters. Good: few; they wait 2 s until they are settled.",
					selfLine(`sum by (signal) (otelcol_receiver_exchange_waiting{own})`, "{{signal}}")).Span(8).Min(0).NoValue(noData),
				graph("Oldest", "s", "How long ago the oldest of them ended. Good: a few seconds. 30 s: an exporter holds all up, then its loss is counted.",
					selfLine(`max by (signal) (otelcol_receiver_exchange_oldest_age_seconds{own})`, "{{signal}}")).Span(8).Min(0).NoValue(noData),
			}},
			{title: "Exporters", panels: []panel{
				graph("Queues", "bytes", "Bytes on disk that wait for a backend, and the bound. Good: near 0.",
					selfLine(`sum by (exporter, data_type) (otelcol_exporter_queue_size{own})`, "{{exporter}} {{data_type}}"),
					selfLine(`sum by (exporter, data_type) (otelcol_exporter_queue_capacity{own})`, "bound of {{exporter}} {{data_type}}")).Span(8).Min(0).NoValue("no queue"),
				graph("Oldest in a queue", "s", "Age of the oldest batch of each queue. Good: below 10 s.",
					selfLine(`max by (exporter, data_type) (otelcol_exporter_queue_oldest_age_seconds{own})`, "{{exporter}} {{data_type}}")).Span(8).Min(0).NoValue("no queue"),
				graph("Export latency", "s", "95th percentile of one attempt to send, by its outcome. Good: below a second, and no failure.",
					selfLine(`histogram_quantile(0.95, sum by (le, exporter, data_type, outcome) (rate(otelcol_exporter_send_duration_seconds_bucket{own}[$__rate_interval])))`, "{{exporter}} {{data_type}} {{outcome}}")).Span(8).Min(0),
				graph("Attempts that failed", "short", "Attempts to send a second that failed and are tried again. Good: none. Traffic doesn't notice; the queue grows.",
					selfLine(`sum by (exporter, data_type) (rate(otelcol_exporter_send_failed_attempts_total{own}[$__rate_interval]))`, "{{exporter}} {{data_type}}")).Span(6).Min(0).NoValue(noEvent),
				graph("Documents tried again", "short", "Documents a second that Elasticsearch didn't take for now, by reason. Good: none.",
					selfLine(`sum by (error_type) (rate(otelcol_exporter_elastic_retried_documents_total{own}[$__rate_interval]))`, "{{error_type}}")).Span(6).Min(0).NoValue(noEvent),
				graph("Being sent", "short", "Batches on their way to backends. Good: at most the number of an exporter's consumers, and not for long.",
					selfLine(`sum by (exporter, data_type) (otelcol_exporter_in_flight_requests{own})`, "{{exporter}} {{data_type}}")).Span(6).Min(0).NoValue(noData),
				graph("Sent", "short", "Log records and metric points a second that exporters sent. Good: follows the requests.",
					selfLine(`sum by (exporter) (rate(otelcol_exporter_sent_log_records_total{own}[$__rate_interval]))`, "{{exporter}} log records"),
					selfLine(`sum by (exporter) (rate(otelcol_exporter_sent_metric_points_total{own}[$__rate_interval]))`, "{{exporter}} metric points")).Span(6).Min(0),
			}},
			{title: "What it costs", panels: []panel{
				graph("Processor time per request", "s", "Modtap's processor time by clients' requests: telemetry, and the proxying itself. Good: below a millisecond when files are small.",
					selfLine(`sum(rate(otelcol_process_cpu_seconds_total{own}[$__rate_interval]))`+perRequest, "per request")).Span(8).Min(0),
				graph("Time added to the traffic", "s", "Mean time of clients' requests without the mean time that the proxy behind Modtap took for them. Good: below a millisecond. Nothing to compare with where the proxy is embedded.",
					line(`(sum(rate(http_server_request_duration_seconds_sum{@}[$__rate_interval])) - sum(rate(http_client_request_duration_seconds_sum{@,goproxy_side="ingress"}[$__rate_interval])))`+perRequest, "added")).Span(8).NoValue("no proxy beside it"),
				graph("Processor", "short", "Processors that Modtap uses. Good: far below the limit.",
					selfLine(`sum by (instance) (rate(otelcol_process_cpu_seconds_total{own}[$__rate_interval]))`, "{{instance}}")).Span(8).Min(0),
				graph("Memory", "bytes", "Resident memory, the Go heap and the heap's soft limit. Good: flat, below the limit whatever clients send.",
					selfLine(`sum by (instance) (otelcol_process_memory_rss_bytes{own})`, "resident {{instance}}"),
					selfLine(`sum by (instance) (otelcol_process_runtime_heap_alloc_bytes{own})`, "heap {{instance}}"),
					selfLine(`min by (instance) (go_gc_gomemlimit_bytes{own})`, "limit {{instance}}")).Span(8).Min(0).NoValue(noData),
				graph("Goroutines and files", "short", "Goroutines and open files. Good: follow requests in flight, and fall with them.",
					selfLine(`sum by (instance) (go_goroutines{own})`, "goroutines {{instance}}"),
					selfLine(`sum by (instance) (process_open_fds{own})`, "open files {{instance}}")).Span(8).Min(0).NoValue(noData),
				number("Up for", "s", "Time since the start of the process that runs for the shortest time. Good: long. Restarts lose nothing, but find out why.",
					latest(own(`min(otelcol_process_uptime_seconds_total{own})`), "")).Span(8).Height(8).NoValue("Modtap is absent"),
				grid("Versions", "short", "What each Modtap runs, in this range. Good: one version. Two lines of one instance are an upgrade.",
					[]column{
						{field: "instance", title: "Modtap"},
						{field: "version", title: "Version"},
						{field: "revision", title: "Commit"},
						{field: "goversion", title: "Built with"},
					},
					entries(own(`max by (instance, version, revision, goversion) (max_over_time(modtap_build_info{own}[$__range]))`))).
					Span(24).Height(6).NoValue("Modtap is absent"),
			}},
		},
	}
}
