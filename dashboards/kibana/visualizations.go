// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

// visualizations are the panels' contents. Where the order of a table matters, its first metric is what it is ordered by.
func visualizations(target Target) []visualization {
	return append(
		[]visualization{{id: "modtap-guide", title: "Guide", kind: visMarkdown, text: guide(target)}},
		append(append(health(), cacheAndModules()...), people()...)...,
	)
}

// outcomeColors make what is wrong look wrong.
var outcomeColors = map[string]string{
	"ok": "#54B399", "not_found": "#D6BF57", "probe": "#B9A888", "retry_twin": "#CBC3B0", "fall_through": "#AA6556", "client_gone": "#9170B8",
	"refused": "#6092C0", "denied": "#C5678A", "redirect": "#79AAD9", "timeout": "#DA8B45", "upstream_error": "#E7664C", "checksum_mismatch": "#BD271E", "interrupted": "#5A5A5A",
}

// resultColors are those of the cache results.
var resultColors = map[string]string{
	"hit": "#54B399", "revalidated": "#6DCCB1", "coalesced": "#79AAD9", "stale": "#D6BF57", "miss": "#E7664C", "bypass": "#B9A888", "unknown": "#9A9A9A",
}

// health says whether something is wrong, and where.
func health() []visualization {
	return []visualization{
		{
			id: "modtap-at-a-glance", title: "At a glance", kind: visMetric, query: ingress,
			description: "Requests of clients, who they are, what they asked for, and how long the answers took.",
			aggs: []Agg{
				count("requests"), metric("cardinality", "goproxy.session.id", "builds"), metric("cardinality", "client.address", "clients"),
				metric("cardinality", "goproxy.module.path", "modules"), metric("sum", "http.response.body.bytes", "sent"),
				percentiles("event.duration", "duration", 50, 95),
			},
		},
		{
			id: "modtap-failures-count", title: "Failed", kind: visMetric, query: ingress + " and " + failures, description: "0 is good. A 404 isn't counted.",
			aggs: []Agg{count("failures"), metric("cardinality", "goproxy.module.path", "modules")},
		},
		{
			id: "modtap-outcome-over-time", title: "Outcome over time", kind: visHistogram, query: ingress, colors: outcomeColors,
			description: "Good: green, with some not_found and probe in it, since the go command asks for what may not be there.",
			aggs:        []Agg{count("requests"), overTime(), terms("group", "goproxy.outcome", "outcome", 12, false)},
		},
		{
			id: "modtap-duration-over-time", title: "Duration over time", kind: visLine, query: ingress,
			description: "Percentiles of the time up to the last byte of the answer. Good: the 50th is that of cache hits, a few ms.",
			aggs:        []Agg{percentiles("event.duration", "duration", 50, 95, 99), overTime()},
		},
		{
			id: "modtap-errors-by-module", title: "Errors by module", kind: visTable, query: ingress + " and " + failures,
			description: "Modules whose requests failed, how, and how many builds met it. One module: its repository; all of one kind: an upstream.",
			aggs: []Agg{
				count("failures"), metric("cardinality", "goproxy.session.id", "builds"), metric("max", timeField, "last"),
				terms("bucket", "goproxy.module.path", "module", 20, true), terms("bucket", "goproxy.outcome", "outcome", 5, false),
				terms("bucket", "error.type", "error", 5, true),
			},
		},
		{
			id: "modtap-errors-by-upstream", title: "Errors by upstream", kind: visTable, query: failures,
			description: "Failed requests by the upstreams that were asked for them. A request that asked two counts for both.",
			aggs: []Agg{
				count("failures"), metric("max", timeField, "last"),
				terms("bucket", "goproxy.upstream.address", "upstream", 20, true), terms("bucket", "goproxy.upstream.error", "error", 5, true),
			},
		},
		{
			id: "modtap-upstream-attempts", title: "Upstreams", kind: visTable, query: "goproxy.upstream.address:*",
			description: "Requests that went upstream, by its address. The durations are those of the requests, which may have asked several.",
			aggs: []Agg{
				count("requests"), percentiles("event.duration", "duration", 50, 95), metric("max", "goproxy.upstream.duration", "slowest attempt"),
				terms("bucket", "goproxy.upstream.address", "upstream", 20, false),
			},
		},
		{
			id: "modtap-fallthroughs", title: "Why the next upstream was asked", kind: visTable, query: "goproxy.upstream.reason:*",
			description: "Reasons for which the walk of the GOPROXY list went on. Good: not_found only.",
			aggs: []Agg{
				count("requests"), terms("bucket", "goproxy.upstream.reason", "reason", 10, false),
				terms("bucket", "goproxy.upstream.address", "asked", 10, false),
			},
		},
		{
			id: "modtap-checksum-failures", title: "Checksum failures", kind: visTable, query: checksumFailures,
			description: "Empty is good. A module here isn't what the checksum database says: stop using it until somebody knows why.",
			aggs: []Agg{
				count("failures"), metric("cardinality", "client.address", "clients"), metric("max", timeField, "last"),
				terms("bucket", "goproxy.module.path", "module", 20, false), terms("bucket", "goproxy.module.version", "version", 5, true),
			},
		},
		{
			id: "modtap-private-leaks", title: "Private leaks", kind: visTable, query: privateLeaks,
			description: "Empty is good. Private module paths that a public proxy or checksum database was told of, or refused ones, and by whom.",
			aggs: []Agg{
				count("requests"), metric("max", timeField, "last"),
				terms("bucket", "goproxy.leak.pattern", "pattern", 10, false), terms("bucket", "goproxy.module.path", "module", 10, true),
				terms("bucket", "client.address", "client", 5, true), terms("bucket", "goproxy.outcome", "outcome", 5, false),
			},
		},
	}
}

// cacheAndModules says what the cache does, and for what.
func cacheAndModules() []visualization {
	return []visualization{
		{
			id: "modtap-cache-by-operation", title: "Cache result by operation", kind: visHistogram, query: ingress, colors: resultColors,
			description: "Good: info, mod and zip mostly hit. list, latest and query are asked upstream each time: bypass.",
			aggs: []Agg{
				count("requests"), terms("segment", "goproxy.operation", "operation", 10, false), terms("group", "goproxy.cache.result", "result", 10, false),
			},
		},
		{
			id: "modtap-cache-over-time", title: "Cache result over time", kind: visHistogram, query: files, colors: resultColors,
			description: "Of .info, .mod and .zip. A wave of misses is a new or an emptied cache, or many new versions at once.",
			aggs:        []Agg{count("requests"), overTime(), terms("group", "goproxy.cache.result", "result", 10, false)},
		},
		{
			id: "modtap-miss-reasons", title: "Why it was a miss", kind: visTable, query: ingress + " and goproxy.cache.result:miss",
			description: "cold is the first time; many evicted mean that the cache is too small. Of a proxy beside Modtap only evicted and expired can be known.",
			aggs: []Agg{
				count("misses"), metric("sum", "http.response.body.bytes", "bytes"), percentiles("event.duration", "duration", 95),
				terms("bucket", "goproxy.cache.miss.reason", "reason", 10, true), terms("bucket", "goproxy.cache.evidence", "known by", 5, true),
			},
		},
		{
			id: "modtap-top-modules", title: "Modules by requests", kind: visTable, query: ingress,
			description: "The modules that are asked for most, what they weigh, and when somebody last wanted them.",
			aggs: []Agg{
				count("requests"), metric("sum", "http.response.body.bytes", "bytes"), metric("cardinality", "goproxy.session.id", "builds"),
				metric("max", timeField, "last requested"), terms("bucket", "goproxy.module.path", "module", 50, false),
			},
		},
		{
			id: "modtap-modules-by-bytes", title: "Modules by bytes", kind: visTable, query: ingress,
			description: "What fills the network: the module versions of which most bytes were sent.",
			aggs: []Agg{
				metric("sum", "http.response.body.bytes", "bytes"), count("requests"), metric("max", timeField, "last requested"),
				terms("bucket", "goproxy.module.path", "module", 20, false), terms("bucket", "goproxy.module.version", "version", 5, true),
			},
		},
		{
			id: "modtap-unused-modules", title: "Modules by last request", kind: visTable, query: ingress,
			description: "The latest first. What isn't among them wasn't asked for in the time that is looked at.",
			aggs: []Agg{
				metric("max", timeField, "last requested"), count("requests"), terms("bucket", "goproxy.module.path", "module", 100, false),
			},
		},
		{
			id: "modtap-slowest-modules", title: "Modules by slowest request", kind: visTable, query: ingress,
			description: "Where time goes: the longest request for each module, and how fast it was for all but one in twenty.",
			aggs: []Agg{
				metric("max", "event.duration", "slowest"), percentiles("event.duration", "duration", 95), count("requests"),
				terms("bucket", "goproxy.module.path", "module", 20, false), terms("bucket", "goproxy.cache.result", "result", 3, false),
			},
		},
		{
			id: "modtap-module-age", title: "Youngest versions", kind: visTable, query: ingress + " and goproxy.module.version_age:*",
			description: "How old a version was when its .info was asked for. Very young ones are worth a look: nobody has reviewed them yet.",
			aggs: []Agg{
				metric("min", "goproxy.module.version_age", "age"), count("requests"),
				ascending(terms("bucket", "goproxy.module.path", "module", 20, false)),
				ascending(terms("bucket", "goproxy.module.version", "version", 5, false)),
			},
		},
	}
}

// people says who asks.
func people() []visualization {
	return []visualization{
		{
			id: "modtap-clients", title: "Clients", kind: visTable, query: ingress,
			description: "Who asks, by address and, if known, by name. On a listener beyond loopback both are keyed hashes unless client_identity says full.",
			aggs: []Agg{
				count("requests"), metric("cardinality", "goproxy.session.id", "builds"), metric("sum", "http.response.body.bytes", "bytes"),
				metric("max", timeField, "last seen"), terms("bucket", "client.address", "client", 20, true), terms("bucket", "user.name", "user", 5, true),
			},
		},
		{
			id: "modtap-user-agents", title: "User agents", kind: visTable, query: ingress,
			description: "Go-http-client and GoCommand are the go command; all else is a robot, a browser or a probe.",
			aggs:        []Agg{count("requests"), metric("cardinality", "client.address", "clients"), terms("bucket", "user_agent.original", "user agent", 20, true)},
		},
		{
			id: "modtap-ci-jobs", title: "CI jobs", kind: visTable, query: ofJob,
			description: "Pipelines and jobs, as modtap-goauth tells them. Many requests a run: a job without a module cache.",
			aggs: []Agg{
				count("requests"), metric("cardinality", "cicd.pipeline.run.id", "runs"), metric("sum", "http.response.body.bytes", "bytes"),
				metric("max", "event.duration", "slowest"), terms("bucket", "goproxy.ci.system", "system", 5, false),
				terms("bucket", "cicd.pipeline.name", "pipeline", 20, true), terms("bucket", "cicd.pipeline.task.name", "job", 5, true),
			},
		},
		{
			id: "modtap-ci-failures", title: "CI runs that met failures", kind: visTable, query: ofJob + " and " + failures,
			description: "Empty is good. The runs that failed for the proxy's sake; the address opens the run.",
			aggs: []Agg{
				count("failures"), metric("max", timeField, "last"), terms("bucket", "cicd.pipeline.name", "pipeline", 10, true),
				terms("bucket", "cicd.pipeline.run.url.full", "run", 5, true), terms("bucket", "goproxy.module.path", "module", 5, true),
			},
		},
		{
			id: "modtap-builds", title: "Builds", kind: visTable, query: ingress,
			description: "The build sessions with most requests; the id opens the build.",
			aggs: []Agg{
				count("requests"), metric("sum", "http.response.body.bytes", "bytes"), metric("min", timeField, "from"), metric("max", timeField, "to"),
				terms("bucket", "goproxy.session.id", "build", 20, false),
			},
		},
	}
}
