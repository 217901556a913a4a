// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"
)

// used are the components of a section that do something.
func used(cfg *otelcol.Config, section string) map[component.ID]bool {
	found := make(map[component.ID]bool)
	add := func(ids []component.ID) {
		for _, id := range ids {
			found[id] = true
		}
	}
	if section == "extensions" {
		add(cfg.Service.Extensions)
	}
	for _, p := range cfg.Service.Pipelines {
		switch section {
		case "receivers":
			add(p.Receivers)
		case "processors":
			add(p.Processors)
		case "exporters":
			add(p.Exporters)
		case "connectors":
			add(p.Receivers)
			add(p.Exporters)
		}
	}
	return found
}

// parts are the sections of a configuration that hold components.
func parts(cfg *otelcol.Config) map[string]map[component.ID]component.Config {
	return map[string]map[component.ID]component.Config{
		"receivers": cfg.Receivers, "processors": cfg.Processors, "exporters": cfg.Exporters, "connectors": cfg.Connectors, "extensions": cfg.Extensions,
	}
}

// unused returns a line for each component that is configured and does nothing.
func unused(cfg *otelcol.Config) []string {
	var lines []string
	for section, of := range parts(cfg) {
		in := used(cfg, section)
		where, cure := "in no pipeline", "name it in one below service::pipelines, or remove it"
		if section == "extensions" {
			where, cure = "not in service::extensions", "name it there, or remove it"
		}
		for id := range of {
			if !in[id] {
				lines = append(lines, fmt.Sprintf("%s::%s: configured, but %s; %s", section, id, where, cure))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// counts says how many components of each section do something: "1 receiver, 3 exporters".
func counts(cfg *otelcol.Config) string {
	var out []string
	for _, section := range sections {
		in := used(cfg, section)
		maps.DeleteFunc(in, func(id component.ID, _ bool) bool { _, ok := parts(cfg)[section][id]; return !ok })
		if n := len(in); n == 1 {
			out = append(out, "1 "+strings.TrimSuffix(section, "s"))
		} else if n > 1 {
			out = append(out, fmt.Sprintf("%d %s", n, section))
		}
	}
	pipelines := fmt.Sprintf("%d pipelines", len(cfg.Service.Pipelines))
	if len(cfg.Service.Pipelines) == 1 {
		pipelines = "1 pipeline"
	}
	return strings.Join(append(out, pipelines), ", ")
}
