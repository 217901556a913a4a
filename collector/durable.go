// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
)

// forgetful returns a line for each exporter that says of what one of Modtap's own
// receivers hands it that it has it, though it has it in memory only: a crash loses that,
// and no replay brings it back.
func forgetful(cfg *otelcol.Config) []string {
	own := ownReceivers()
	found := make(map[component.ID][]string)
	for id, p := range cfg.Service.Pipelines {
		if !slices.ContainsFunc(p.Receivers, func(r component.ID) bool { return own[r.Type()] }) {
			continue
		}
		for _, e := range p.Exporters {
			if queuesInMemory(cfg.Exporters[e]) {
				found[e] = append(found[e], id.String())
			}
		}
	}
	var lines []string
	for id, pipelines := range found {
		slices.Sort(pipelines)
		lines = append(lines, fmt.Sprintf("exporters::%s::sending_queue: it is in memory: a crash loses what waits there of %s; add storage: file_storage to it",
			id, strings.Join(pipelines, ", ")))
	}
	slices.Sort(lines)
	return lines
}

// ownReceivers are the types of the receivers that have a journal behind them.
func ownReceivers() map[component.Type]bool {
	own := make(map[component.Type]bool)
	for _, r := range receivers(func(string, string, string) {}) {
		if strings.HasPrefix(r.from, "github.com/modtap/modtap/") {
			own[r.factory.Type()] = true
		}
	}
	return own
}

// queuesInMemory reports whether an exporter has a queue in front of it that is neither
// on disk nor waits for the exporter's answer. It reads the section that all exporters
// have that are made with exporterhelper.
func queuesInMemory(cfg component.Config) bool {
	conf := confmap.New()
	if cfg == nil || conf.Marshal(cfg) != nil {
		return false
	}
	queue, ok := conf.Get("sending_queue").(map[string]any)
	if !ok || len(queue) == 0 || queue["enabled"] == false || queue["wait_for_result"] == true {
		return false
	}
	return queue["storage"] == nil || queue["storage"] == ""
}
