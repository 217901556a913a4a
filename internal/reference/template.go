// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/modtap/modtap/internal/document"
	"github.com/modtap/modtap/internal/signal"
)

// templateVersion is that of the index template. Whoever changes what it holds raises it.
const templateVersion = 4

type object = map[string]any

// spanFields are the fields of spans' documents that are no attributes of ours: what a
// span is, and what other sources of spans send.
var spanFields = map[string]object{
	"span.name":               keyword("span.name"),
	"span.kind":               keyword("span.kind"),
	"span.trace_state":        keyword("span.trace_state"),
	"span.links.trace.id":     keyword("span.links.trace.id"),
	"span.links.span.id":      keyword("span.links.span.id"),
	"span.links.attributes":   {"type": "object", "enabled": false},
	"span.events.name":        keyword("span.events.name"),
	"span.events.timestamp":   {"type": "date"},
	"span.events.attributes":  {"type": "object", "enabled": false},
	"parent.id":               keyword("parent.id"),
	"error.message":           keyword("error.message"),
	"http.request.body.bytes": {"type": "long"},
	"url.query":               keyword("url.query"),
	"network.protocol.name":   keyword("network.protocol.name"),
}

// renamed are attributes of spans that stand in documents by another name.
var renamed = map[string]bool{"http.response.body.size": true}

// Template returns the index template, without what depends on the configuration.
func Template() ([]byte, error) {
	properties := object{}
	for _, f := range document.Fields() {
		insert(properties, f.Name, ofType(f.Name, f.Type))
	}
	for _, a := range signal.Attributes() {
		if len(a.Where()) > 0 && !renamed[a.Name] {
			insert(properties, a.Name, ofType(a.Name, mapped(a.Type)))
		}
	}
	for name, mapping := range spanFields {
		insert(properties, name, mapping)
	}
	text, err := json.MarshalIndent(object{
		"version": templateVersion,
		"_meta": object{
			"description": "What a Go module proxy was asked, and its spans, observed by Modtap.",
			"managed_by":  "modtap",
		},
		"template": object{
			"settings": object{"index": object{"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
			"mappings": object{
				"date_detection": false, "numeric_detection": false,
				"dynamic_templates": []object{{"strings": object{"match_mapping_type": "string", "mapping": object{"type": "keyword", "ignore_above": 1024}}}},
				"properties":        properties,
			},
		},
	}, "", "  ")
	return append(bytes.TrimSpace(text), '\n'), err
}

// mapped is the type in Elasticsearch.
func mapped(t signal.Type) string {
	switch t {
	case signal.Int:
		return "long"
	case signal.Double:
		return "double"
	case signal.Bool:
		return "boolean"
	}
	return "keyword"
}

func ofType(name, kind string) object {
	if kind == "keyword" {
		return keyword(name)
	}
	return object{"type": kind}
}

// keyword bounds what is indexed of a string; URLs may be longer than others.
func keyword(name string) object {
	if strings.HasPrefix(name, "url.") || slices.Contains(strings.Split(name, "."), "url") {
		return object{"type": "keyword", "ignore_above": 4096}
	}
	return object{"type": "keyword", "ignore_above": 1024}
}

// insert adds a field below the objects that its name says.
func insert(properties object, name string, mapping object) {
	parts := strings.Split(name, ".")
	for _, part := range parts[:len(parts)-1] {
		inner, ok := properties[part].(object)
		if !ok {
			inner = object{"properties": object{}}
			properties[part] = inner
		}
		properties = inner["properties"].(object)
	}
	properties[parts[len(parts)-1]] = mapping
}
