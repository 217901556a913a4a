// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import "strings"

// dashboards are the grids. Each row is 48 wide.
func dashboards() []dashboard {
	return []dashboard{
		{
			id: overviewID, title: "Requests", from: "now-24h",
			description: "What a Go module proxy was asked: errors, cache, modules, who. A click on a value filters the whole dashboard.",
			rows: []row{
				{9, []place{vis("modtap-at-a-glance", 28), vis("modtap-failures-count", 8), vis("modtap-guide", 12)}},
				{14, []place{vis("modtap-outcome-over-time", 24), vis("modtap-duration-over-time", 24)}},
				{15, []place{vis("modtap-errors-by-module", 28), vis("modtap-errors-by-upstream", 20)}},
				{12, []place{vis("modtap-checksum-failures", 20), vis("modtap-private-leaks", 28)}},
				{14, []place{vis("modtap-cache-by-operation", 16), vis("modtap-cache-over-time", 16), vis("modtap-miss-reasons", 16)}},
				{15, []place{vis("modtap-top-modules", 28), vis("modtap-modules-by-bytes", 20)}},
				{15, []place{vis("modtap-slowest-modules", 20), vis("modtap-unused-modules", 14), vis("modtap-module-age", 14)}},
				{15, []place{saved(searchSlowestID, 48)}},
				{15, []place{vis("modtap-clients", 28), vis("modtap-user-agents", 20)}},
				{15, []place{vis("modtap-ci-jobs", 24), vis("modtap-ci-failures", 24)}},
				{12, []place{vis("modtap-upstream-attempts", 18), vis("modtap-fallthroughs", 14), vis("modtap-builds", 16)}},
				{20, []place{saved(searchRequestsID, 48)}},
			},
		},
		{
			id: traceID, title: "One trace",
			description: "The build that a trace.id or a goproxy.session.id leads to. Without one in the query it shows everything.",
			rows: []row{
				{9, []place{vis("modtap-at-a-glance", 36), vis("modtap-failures-count", 12)}},
				{14, []place{vis("modtap-outcome-over-time", 24), vis("modtap-cache-by-operation", 24)}},
				{15, []place{vis("modtap-slowest-modules", 24), vis("modtap-upstream-attempts", 24)}},
				{15, []place{vis("modtap-errors-by-module", 28), vis("modtap-clients", 20)}},
				{24, []place{saved(searchTraceID, 48)}},
			},
		},
	}
}

func vis(id string, width int) place { return place{typeVisualization, id, width} }

func saved(id string, width int) place { return place{typeSearch, id, width} }

// guide is the text that leads from this dashboard to where one looks next.
func guide(target Target) string {
	search := func(id, text string) string { return "[" + text + "](.." + target.Discover + "#/view/" + id + ")" }
	return strings.Join([]string{
		"**Something is wrong?** " + search(searchFailuresID, "Failures") + " · " + search(searchSlowestID, "slowest") + " · " +
			search(searchChecksumID, "checksum failures") + " · " + search(searchLeaksID, "private leaks") + " · " +
			search(searchRequestsID, "all requests"),
		"",
		"`trace.id` opens the trace in Jaeger, `goproxy.session.id` all that one go command asked for ([one trace](../app/dashboards#/view/" + traceID + ")).",
		"",
		"A 404 is no error: the go command asks for every path above a package. Fields: the " + target.DataView + " `" + indices + "`.",
	}, "\n")
}
