// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"

	"github.com/modtap/modtap/internal/signal"
)

// SelfMetrics lists Modtap's metrics of itself as a running one shows them on /metrics: a line is a metric's name and its labels. Histograms
// are there as what they are made of. It is written by test/scenario, which compares it with a real Modtap.
//
//go:embed selfmetrics.txt
var SelfMetrics string

// Metric is a metric that Prometheus can know.
type Metric struct {
	// Declared is the OpenTelemetry name of a declared metric; empty for Modtap's own.
	Declared string
	// Labels are all that a series can have, job and instance included.
	Labels []string
}

// Emitted returns every metric that Modtap emits, by its name in Prometheus. A histogram is there with its classic buckets, count and sum, and
// with the name alone, which is the native one.
func Emitted() (map[string]Metric, error) {
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	labelNamer := otlptranslator.LabelNamer{}
	all := map[string]Metric{
		"up":          {Labels: []string{"job", "instance"}}, // by Prometheus itself
		"target_info": {Labels: []string{"job", "instance", "deployment_environment_name"}},
	}
	types := map[signal.Kind]otlptranslator.MetricType{
		signal.Histogram: otlptranslator.MetricTypeHistogram, signal.Counter: otlptranslator.MetricTypeMonotonicCounter,
		signal.UpDownCounter: otlptranslator.MetricTypeNonMonotonicCounter, signal.Gauge: otlptranslator.MetricTypeGauge,
	}
	for _, declared := range signal.Declared() {
		name, err := namer.Build(otlptranslator.Metric{Name: declared.Name, Unit: declared.Unit, Type: types[declared.Kind]})
		if err != nil {
			return nil, fmt.Errorf("name of %s: %w", declared.Name, err)
		}
		m := Metric{Declared: declared.Name, Labels: []string{"job", "instance", "otel_metric_overflow"}}
		for _, attribute := range declared.Attributes {
			label, err := labelNamer.Build(attribute)
			if err != nil {
				return nil, fmt.Errorf("label of %s: %w", attribute, err)
			}
			m.Labels = append(m.Labels, label)
		}
		all[name] = m
		if declared.Kind == signal.Histogram {
			all[name+"_count"], all[name+"_sum"] = m, m
			all[name+"_bucket"] = Metric{Declared: m.Declared, Labels: append(slices.Clone(m.Labels), "le")}
		}
	}
	for line := range strings.Lines(SelfMetrics) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] != "#" {
			all[fields[0]] = Metric{Labels: append([]string{"job", "instance"}, fields[1:]...)}
		}
	}
	return all, nil
}

// Unshown are the declared metrics that no panel reads, by their OpenTelemetry names, and why.
func Unshown() map[string]string {
	return map[string]string{}
}
