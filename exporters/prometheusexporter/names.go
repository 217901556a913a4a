// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"cmp"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/collector/pdata/pcommon"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"

	"github.com/modtap/modtap/internal/printable"
)

// The labels that name the resource:
// https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#resource-attributes
const (
	labelJob      = "job"
	labelInstance = "instance"
	labelBound    = "le"
)

// maxNames bounds the memory of names; it is reached only by names made of data.
const maxNames = 10_000

// names translates the names of metrics and attributes by the rules of
// OpenTelemetry and remembers them, since it is done for every point.
type names struct {
	metric  otlptranslator.MetricNamer
	label   otlptranslator.LabelNamer
	metrics map[otlptranslator.Metric]string
	labels  map[string]string
}

func newNames() names {
	return names{
		metric:  otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes),
		metrics: map[otlptranslator.Metric]string{},
		labels:  map[string]string{},
	}
}

func (n *names) ofMetric(m otlptranslator.Metric) (string, error) {
	if name, ok := n.metrics[m]; ok {
		return name, nil
	}
	name, err := n.metric.Build(m)
	if err != nil {
		return "", err
	}
	if len(n.metrics) >= maxNames {
		clear(n.metrics)
	}
	n.metrics[m] = name
	return name, nil
}

func (n *names) ofLabel(attribute string) string {
	if name, ok := n.labels[attribute]; ok {
		return name
	}
	name, err := n.label.Build(attribute)
	switch {
	case err != nil: // Nothing of the name is left.
		name = "key"
	case strings.HasPrefix(name, "__"): // Reserved.
		name = "key" + name
	}
	if len(n.labels) >= maxNames {
		clear(n.labels)
	}
	n.labels[attribute] = name
	return name
}

type label struct {
	name, value string
	attribute   string // What the name was made of.
}

// appendLabels adds a label for each attribute; own holds the names that an
// attribute can't have. An empty value is no label at all, as Prometheus sees
// it. The values of attributes whose names become the same are joined.
func (n *names) appendLabels(labels []label, attributes pcommon.Map, own func(name string) bool) []label {
	first := len(labels)
	for attribute, value := range attributes.All() {
		text := labelValue(value)
		if text == "" {
			continue
		}
		name := n.ofLabel(attribute)
		if own(name) {
			name = "exported_" + name
		}
		labels = append(labels, label{name: name, value: text, attribute: attribute})
	}
	added := labels[first:]
	slices.SortFunc(added, func(a, b label) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.attribute, b.attribute))
	})
	kept := 0
	for i := range added {
		if i > 0 && added[kept-1].name == added[i].name {
			added[kept-1].value += ";" + added[i].value
			continue
		}
		added[kept] = added[i]
		kept++
	}
	return labels[:first+kept]
}

// labelValue is a value in valid UTF-8 that no terminal plays: the page is read there
// too. The format itself escapes line feeds.
func labelValue(value pcommon.Value) string {
	return printable.Text(strings.ToValidUTF8(value.AsString(), "\uFFFD"))
}

// target is the resource of a batch as Prometheus knows it.
type target struct {
	job, instance string // Empty if the resource doesn't tell.
}

func newTarget(resource pcommon.Resource) target {
	text := func(name string) string {
		value, ok := resource.Attributes().Get(name)
		if !ok {
			return ""
		}
		return labelValue(value)
	}
	job := text(string(semconv.ServiceNameKey))
	if namespace := text(string(semconv.ServiceNamespaceKey)); namespace != "" && job != "" {
		job = namespace + "/" + job
	}
	return target{job: job, instance: text(string(semconv.ServiceInstanceIDKey))}
}

// owns tells whether a label is the target's.
func (t target) owns(name string) bool {
	return name == labelJob && t.job != "" || name == labelInstance && t.instance != ""
}

func (t target) appendLabels(labels []label) []label {
	if t.job != "" {
		labels = append(labels, label{name: labelJob, value: t.job})
	}
	if t.instance != "" {
		labels = append(labels, label{name: labelInstance, value: t.instance})
	}
	return labels
}

func sortLabels(labels []label) {
	slices.SortFunc(labels, func(a, b label) int { return strings.Compare(a.name, b.name) })
}

func appendKey(key []byte, labels []label) []byte {
	for _, l := range labels {
		key = append(key, l.name...)
		key = append(key, 0xff) // In no valid UTF-8.
		key = append(key, l.value...)
		key = append(key, 0xff)
	}
	return key
}

func labelPairs(labels []label) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, len(labels))
	for i, l := range labels {
		pairs[i] = &dto.LabelPair{Name: new(l.name), Value: new(l.value)}
	}
	return pairs
}
