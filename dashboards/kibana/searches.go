// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

// searches are the saved searches. The columns of the first are what somebody on call asks for, in this order: when, who, what, how it
// ended, from where, how long, how much, and where to go on.
func searches() []search {
	return []search{
		{
			id: searchRequestsID, title: "Requests", sortBy: timeField, query: ingress,
			description: "What clients asked for. trace.id opens the trace in Jaeger, goproxy.session.id the whole build.",
			columns: []string{
				"client.address", "user.name", "http.request.method", "url.path", "http.response.status_code", "goproxy.outcome",
				"goproxy.cache.result", "event.duration", "http.response.body.bytes", "error.type", "trace.id", "goproxy.session.id",
			},
		},
		{
			id: searchFailuresID, title: "Failures", sortBy: timeField, query: failures,
			description: "Requests that failed: an upstream's error, a time-out, a checksum, or Modtap's own end. A 404 is none of them.",
			columns: []string{
				"service.name", "goproxy.side", "url.path", "http.response.status_code", "goproxy.outcome", "error.type", "goproxy.upstream.address",
				"goproxy.upstream.status", "goproxy.upstream.error", "goproxy.upstream.url", "event.duration", "trace.id", "goproxy.session.id",
			},
		},
		{
			id: searchSlowestID, title: "Slowest exchanges", sortBy: "event.duration", query: ingress,
			description: "The requests that took longest, up to the last byte of the answer.",
			columns: []string{
				"event.duration", "goproxy.operation", "goproxy.module.path", "goproxy.module.version", "goproxy.cache.result",
				"goproxy.outcome", "http.response.body.bytes", "goproxy.upstream.address", "goproxy.upstream.duration", "client.address", "trace.id",
			},
		},
		{
			id: searchLeaksID, title: "Private leaks", sortBy: timeField, query: privateLeaks,
			description: "Private module paths on their way to a public proxy or checksum database. The cure is the client's GOPRIVATE, or leak_action: block.",
			columns: []string{
				"goproxy.leak.pattern", "goproxy.module.path", "goproxy.outcome", "goproxy.upstream.address", "client.address", "user.name",
				"cicd.pipeline.name", "url.path", "trace.id",
			},
		},
		{
			id: searchChecksumID, title: "Checksum failures", sortBy: timeField, query: checksumFailures,
			description: "Modules that aren't what the checksum database says. Somebody moved a tag, or something between here and there changes files.",
			columns: []string{
				"goproxy.module.path", "goproxy.module.version", "goproxy.operation", "service.name", "http.response.status_code",
				"client.address", "goproxy.session.id", "trace.id",
			},
		},
		{
			id: searchTraceID, title: "Exchanges of both sides", sortBy: timeField,
			description: "Everything, what a proxy fetched through the egress tap included.",
			columns: []string{
				"goproxy.side", "goproxy.operation", "goproxy.module.path", "goproxy.module.version", "http.response.status_code", "goproxy.outcome",
				"goproxy.cache.result", "goproxy.cache.evidence", "event.duration", "goproxy.upstream.address", "span.id", "trace.id",
			},
		},
	}
}
