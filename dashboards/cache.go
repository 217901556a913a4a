// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/elasticsearch"

func cacheBoard() board {
	const served = `http_server_request_duration_seconds_count`
	// Misses of files that the cache had held would have been hits in one that had kept them.
	const unevicted = `(sum(increase(` + served + `{@,goproxy_outcome="ok",goproxy_operation=~"` + Cacheable + `",goproxy_cache_result=~"` + Hits + `"}[%[1]s]))
+ (sum(increase(goproxy_cache_misses_total{@,goproxy_operation=~"` + Cacheable + `",goproxy_cache_miss_reason="evicted"}[%[1]s])) or vector(0)))
/ (sum(increase(` + served + `{@,goproxy_outcome="ok",goproxy_operation=~"` + Cacheable + `",goproxy_cache_result=~"miss|` + Hits + `"}[%[1]s])) > 0)`
	return board{
		uid: UIDCache, title: "Cache",
		answers:   "Which requests does the cache answer, and why not the others?",
		variables: selection(),
		sections: []section{
			{title: "Results", panels: []panel{
				stacked("Results", "reqps", "Requests a second by cache result. Good: mostly hit. bypass is always asked upstream (list, latest, queries); unknown can't be seen.",
					line(`sum by (goproxy_cache_result) (rate(`+served+`{@}[$__rate_interval]))`, "{{goproxy_cache_result}}")),
				share("Hit ratio by operation", "Hits of hits and misses, of answers that are ok. Good: zip, mod and info alike. mod below zip: one miss of a version brings all of its files, the first one asked for pays.",
					line(`sum by (goproxy_operation) (rate(`+served+`{@,goproxy_outcome="ok",goproxy_operation=~"`+Cacheable+`",goproxy_cache_result=~"`+Hits+`"}[$__rate_interval]))
/ (sum by (goproxy_operation) (rate(`+served+`{@,goproxy_outcome="ok",goproxy_operation=~"`+Cacheable+`",goproxy_cache_result=~"miss|`+Hits+`"}[$__rate_interval])) > 0)`, "{{goproxy_operation}}")),
				grid("Result by operation", "short", "Requests in this range. Good: hit well above miss in every operation; unknown nowhere.",
					[]column{{field: "goproxy_operation", title: "Operation"}, {field: "goproxy_cache_result", title: "Result"}, {field: "goproxy_outcome", title: "Outcome", links: outcomeLinks()}, {field: "Value", title: "Requests", unit: "short"}},
					entries(`sum by (goproxy_operation, goproxy_cache_result, goproxy_outcome) (increase(`+served+`{@}[$__range])) > 0`)),
				graph("Duration by result", "s", "95th percentile of good answers by cache result. Good: a hit in milliseconds, a miss as long as its upstream takes; coalesced is at most a miss.",
					line(quantile("0.95", "goproxy_cache_result", `{@,goproxy_outcome="ok"}`, "http_server_request_duration_seconds"), "{{goproxy_cache_result}}").Exemplar(true)).Height(9),
			}},
			{title: "Misses", panels: []panel{
				stacked("Miss reasons", "reqps", "Misses a second by reason. Good: cold after new versions come out, no reason beside another proxy. evicted: the cache is too small; expired: the TTL is short; not_cacheable: an upstream forbids it.",
					line(`sum by (goproxy_cache_miss_reason) (rate(goproxy_cache_misses_total{@}[$__rate_interval]))`, "{{goproxy_cache_miss_reason}}")).Span(8).NoValue(noEvent),
				graph("Coalesced", "reqps", "Requests a second that waited for another client's fetch of the same file. Good: bursts when CI starts; each is a fetch that wasn't made.",
					line(`sum by (goproxy_operation) (rate(`+served+`{@,goproxy_cache_result="coalesced"}[$__rate_interval]))`, "{{goproxy_operation}}")).Span(8).NoValue(noEvent),
				graph("Stale and revalidated", "reqps", "Requests a second that were answered with what an upstream that failed couldn't renew (stale), or confirmed (revalidated). Good: no stale. Stale means that an upstream is down and clients don't notice.",
					line(`sum by (goproxy_cache_result, goproxy_operation) (rate(`+served+`{@,goproxy_cache_result=~"stale|revalidated"}[$__rate_interval]))`, "{{goproxy_cache_result}} {{goproxy_operation}}")).Span(8).NoValue(noEvent),
			}},
			{title: "The embedded proxy's cache", panels: []panel{
				graph("Size", "bytes", "Bytes of the files in the cache. Good: a plateau at its bound, with a high hit ratio. Empty where another proxy keeps the cache.",
					line(`sum by (instance) (goproxy_cache_size_bytes{@})`, "{{instance}}")).Span(6).Min(0).NoValue("not the embedded proxy"),
				graph("Files", "short", "Files in the cache. Good: rises with the modules that you use.",
					line(`sum by (instance) (goproxy_cache_files{@})`, "{{instance}}")).Span(6).Min(0).NoValue("not the embedded proxy"),
				graph("Evictions", "short", "Files a second that were removed to keep the bound. Good: few, of modules that nobody asks for again. With misses because evicted: enlarge max_size.",
					line(`sum by (instance) (rate(goproxy_cache_evictions_total{@}[$__rate_interval]))`, "{{instance}}")).Span(6).Min(0).NoValue("not the embedded proxy"),
				share("Hit ratio, and with a cache that evicts nothing", "The hit ratio, and what it would be if no file had been removed for space: how much a larger cache could gain at most. Good: both lines on each other.",
					line(over(hitRatio, inInterval), "as it is"), line(over(unevicted, inInterval), "nothing evicted")).Span(6),
			}},
			{title: "Age and evidence", panels: []panel{
				graph("Age of versions", "ns", "How old versions are when their .info is asked for: quartiles. Good: months. Days mean that your builds follow latest versions, which miss first.",
					documents(filter("goproxy.operation:info AND _exists_:goproxy.module.version_age"), []elasticsearch.MetricAggregation{percentilesOf("1", "goproxy.module.version_age", "25", "50", "75")}, overTime("2"))).Span(12),
				graph("Evidence conflicts", "reqps", "Requests a second of which two evidences tell contradicting results. Good: none. Else a proxy's headers don't mean what they say.",
					line(`sum(rate(goproxy_cache_evidence_conflicts_total{@}[$__rate_interval]))`, "conflicts")).NoValue(noEvent).Span(6),
				bars("Evidence", "short", "Documents by how the cache result is known. Good: embedded, egress or header. None for a result that is unknown.",
					documents(filter("goproxy.side:ingress AND _exists_:goproxy.cache.evidence"), []elasticsearch.MetricAggregation{countDocuments()}, terms("2", "goproxy.cache.evidence", "10", "_count"), overTime("3"))).Span(6),
			}},
		},
	}
}
