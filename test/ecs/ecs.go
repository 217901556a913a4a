// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package ecs holds documents against the Elastic Common Schema 8.
package ecs

import (
	_ "embed"
	"strings"
)

// fieldList are the fields that our documents have, and their types.
//
//go:embed fields-8.17.txt
var fieldList string

// Fields returns the type of each field of the schema that our documents have.
func Fields() map[string]string {
	types := map[string]string{}
	for line := range strings.Lines(fieldList) {
		if name, kind, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			types[name] = kind
		}
	}
	return types
}

// Besides are the fields of documents that the schema hasn't, and why they are there.
var Besides = map[string]string{
	"network.protocol.version":        "OpenTelemetry's name of http.version",
	"service.instance.id":             "OpenTelemetry's name of service.node.name",
	"deployment.environment.name":     "OpenTelemetry's name of service.environment",
	"cicd.pipeline.name":              "OpenTelemetry's; the schema has nothing for CI",
	"cicd.pipeline.run.id":            "the same",
	"cicd.pipeline.run.url.full":      "the same",
	"cicd.pipeline.task.name":         "the same",
	"cicd.pipeline.task.run.id":       "the same",
	"cicd.pipeline.task.run.url.full": "the same",
}

// Unknown returns those of the fields that are neither in the schema nor below goproxy
// nor among [Besides].
func Unknown(fields []string) (unknown []string) {
	schema := Fields()
	for _, name := range fields {
		if schema[name] == "" && Besides[name] == "" && !strings.HasPrefix(name, "goproxy.") {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
