// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import "github.com/modtap/modtap/internal/exchange"

// The ids of objects that others name. They are part of the links to them, so they don't change.
const (
	indexPatternID = "modtap-requests"
	overviewID     = "modtap-overview"
	traceID        = "modtap-trace"

	searchRequestsID = "modtap-search-requests"
	searchFailuresID = "modtap-search-failures"
	searchSlowestID  = "modtap-search-slowest"
	searchLeaksID    = "modtap-search-leaks"
	searchChecksumID = "modtap-search-checksum"
	searchTraceID    = "modtap-search-trace"
)

const (
	// titlePrefix tells Modtap's objects from others' on the same server.
	titlePrefix = "[Modtap] "
	timeField   = "@timestamp"
	// indices are the exporter's daily indices, and its data stream, by their default name.
	indices = "modtap-requests*"
	// jaeger is the address of Jaeger's page as a browser beside it sees it; the README says how another one is set.
	jaeger = "http://localhost:16686"
)

// toTrace leads to the dashboard of one trace; {{value}} is the trace's id, in hexadecimal.
const toTrace = "../app/dashboards#/view/" + traceID +
	"?_g=(time:(from:now-7d,to:now))&_a=(query:(language:kuery,query:'trace.id:{{value}}'))"

// indexPattern makes a link of what names something elsewhere, and gives numbers their units. The id of a session is that of its
// trace, so trace.id leads to Jaeger, and goproxy.session.id to the whole build here.
func indexPattern() Object {
	nanoseconds := FieldFormat{ID: "duration", Params: FormatParams{
		InputFormat: "nanoseconds", OutputFormat: "asMilliseconds", OutputPrecision: 1, ShowSuffix: true,
	}}
	size := FieldFormat{ID: "bytes", Params: FormatParams{Pattern: "0,0.[0]b"}}
	link := func(url, label string) FieldFormat {
		return FieldFormat{ID: "url", Params: FormatParams{URLTemplate: url, LabelTemplate: label}}
	}
	formats := map[string]FieldFormat{
		"event.duration":                  nanoseconds,
		"goproxy.first_byte.duration":     nanoseconds,
		"goproxy.upstream.duration":       nanoseconds,
		"goproxy.upstream.first_byte":     nanoseconds,
		"goproxy.module.version_age":      {ID: "duration", Params: FormatParams{InputFormat: "nanoseconds", OutputFormat: "humanize"}},
		"http.response.body.bytes":        size,
		"goproxy.upstream.bytes":          size,
		"trace.id":                        link(jaeger+"/trace/{{value}}", "{{value}}"),
		"goproxy.session.id":              link(toTrace, "build {{value}}"),
		"cicd.pipeline.run.url.full":      link("{{rawValue}}", "{{value}}"),
		"cicd.pipeline.task.run.url.full": link("{{rawValue}}", "{{value}}"),
	}
	for p := range exchange.Phases {
		formats["goproxy.phase."+p.String()+".duration"] = nanoseconds
	}
	return object(typeIndexPattern, indexPatternID, &IndexPattern{
		Title: indices, TimeFieldName: timeField, Fields: Text[[]struct{}]{[]struct{}{}},
		FieldFormatMap: Text[map[string]FieldFormat]{formats},
	})
}

// ingress are the clients' requests; what a proxy fetches through the egress tap is told by documents of its own.
const ingress = "goproxy.side:ingress"

// failures are the outcomes that are errors. That a module isn't there is none: the go command then asks the next proxy.
const failures = "(goproxy.outcome:upstream_error or goproxy.outcome:timeout or goproxy.outcome:checksum_mismatch or goproxy.outcome:interrupted)"

const (
	checksumFailures = "goproxy.outcome:checksum_mismatch"
	privateLeaks     = "goproxy.leak.pattern:*"
	ofJob            = ingress + " and goproxy.ci.system:*"
)

// files are the operations that a cache answers; the others are asked upstream each time.
const files = ingress + " and (goproxy.operation:info or goproxy.operation:mod or goproxy.operation:zip)"
