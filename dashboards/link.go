// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// The dashboards' uids. They are in links from outside, so they stay.
const (
	UIDOverview  = "modtap-overview"
	UIDCache     = "modtap-cache"
	UIDUpstreams = "modtap-upstreams"
	UIDModules   = "modtap-modules"
	UIDBuilds    = "modtap-builds"
	UIDLogs      = "modtap-logs"
	UIDSelf      = "modtap-self"
)

// The attributes that tables link by, as spans name them.
const (
	attributeModule  = "goproxy.module.path"
	attributeOutcome = "goproxy.outcome"
)

// value is the cell that was clicked, as Grafana interpolates it in links.
const value = "${__value.raw}"

// kept are the parameters that keep the time range and the selection.
const kept = "${__url_time_range}&${datasource:queryparam}&${elasticsearch:queryparam}&${jaeger:queryparam}" +
	"&${environment:queryparam}&${job:queryparam}&${instance:queryparam}"

// toLogs links to the documents, of which a variable of the logs' dashboard is the clicked value.
func toLogs(title, variable string) dashboard.DashboardLink {
	l := dashboard.NewDashboardLink()
	l.Title, l.Type, l.Placement = title, dashboard.DashboardLinkTypeLink, nil
	l.Url = new("/d/" + UIDLogs + "?" + kept + "&var-" + variable + "=${__value.raw:percentencode}")
	return *l
}

// toLogsWhere links to the documents of which a field is the clicked value.
func toLogsWhere(title, field string) dashboard.DashboardLink {
	l := toLogs(title, "query")
	l.Url = new("/d/" + UIDLogs + "?" + kept + "&var-query=" + field + ":%22${__value.raw:percentencode}%22")
	return l
}

// toTraces links to Jaeger's search for spans of which an attribute is the clicked value.
func toTraces(title, attribute string) dashboard.DashboardLink {
	panes, err := json.Marshal(map[string]any{"modtap": map[string]any{
		"datasource": "${jaeger}",
		"queries": []any{map[string]any{
			"refId": "A", "queryType": "search", "service": "${job}", "tags": attribute + "=" + value, "limit": 20,
			"datasource": map[string]any{"type": typeJaeger, "uid": "${jaeger}"},
		}},
		"range": map[string]any{"from": "${__from}", "to": "${__to}"},
	}})
	if err != nil {
		panic(err) // of text only
	}
	// The braces and dollars of variables must be left for Grafana to interpolate.
	escaped := strings.NewReplacer("%24", "$", "%7B", "{", "%7D", "}", "+", "%20").Replace(url.QueryEscape(string(panes)))
	l := dashboard.NewDashboardLink()
	l.Title, l.Type, l.Placement = title, dashboard.DashboardLinkTypeLink, nil
	l.Url = new("/explore?schemaVersion=1&panes=" + escaped)
	return *l
}

// toTrace links to the logs' dashboard with one trace opened.
func toTrace() []dashboard.DashboardLink {
	return []dashboard.DashboardLink{toLogs("This trace and its log", "trace")}
}

// byModule are the links of a cell that holds a module's path.
func byModule() []dashboard.DashboardLink {
	return []dashboard.DashboardLink{toLogs("Logs of this module", "module"), toTraces("Traces of this module", attributeModule)}
}
