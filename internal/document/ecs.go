// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"net/netip"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Field is a field that every document can have, whatever its attributes are.
type Field struct {
	Name string
	// Type is that of Elasticsearch.
	Type string
	// Meaning is a sentence for the reference, in Markdown.
	Meaning string
}

// Fields returns the fields that are made here.
func Fields() []Field {
	return []Field{
		{nameTimestamp, "date", "When the request's header had arrived, in UTC with nine digits; the same as `event.start`."},
		{nameMessage, "text", "One line for people: method, path, status code, cache result or outcome, duration."},
		{nameLevel, "keyword", "`error` for a failure, `warn` for what was denied or left early, else `info`."},
		{nameTraceID, "keyword", "Id of the trace."},
		{nameSpanID, "keyword", "Id of the span."},
		{nameStart, "date", "Beginning: `@timestamp`."},
		{nameEnd, "date", "End: `event.start` and `event.duration`."},
		{"client.ip", "ip", "`client.address` where it is an IP address: it isn't where it is hashed."},
		{"http.version", "keyword", "`network.protocol.version` by its name in ECS."},
		{"url.domain", "keyword", "`server.address` by its name in ECS."},
		{"url.original", "keyword", "`url.path` by its name in ECS for what an access log has."},
		{"service.node.name", "keyword", "`service.instance.id` by its name in ECS."},
		{"service.environment", "keyword", "`deployment.environment.name` by its name in ECS."},
	}
}

// ecsName returns the name that ECS has for what OpenTelemetry calls name. Both stand
// in the document, as in Elastic's own mapping
// (https://www.elastic.co/docs/reference/ecs/ecs-otel-alignment-overview).
func ecsName(name string) string {
	switch name {
	case "client.address":
		return "client.ip"
	case "network.protocol.version":
		return "http.version"
	case "server.address":
		return "url.domain"
	case "url.path":
		return "url.original"
	case "service.instance.id":
		return "service.node.name"
	case "deployment.environment.name":
		return "service.environment"
	}
	return ""
}

// fits tells whether ECS's field can have the value: client.ip is an address.
func fits(name string, value pcommon.Value) bool {
	if name != "client.ip" {
		return true
	}
	address, err := netip.ParseAddr(value.Str())
	return err == nil && address.Zone() == ""
}
