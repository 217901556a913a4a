// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metricsql"
)

// Selector is a metric that an expression reads.
type Selector struct {
	Metric string
	// Labels are those that its matchers name, without the metric's own name.
	Labels []string
}

// Expression is what a PromQL expression names.
type Expression struct {
	Selectors []Selector
	// Grouped are the labels of by, without, on, ignoring, group_left and group_right, and those that label_replace and label_join read.
	Grouped []string
}

// Read takes a PromQL expression apart, Grafana's variables in it expanded before. It returns an error for what isn't an expression.
func Read(expression string) (Expression, error) {
	parsed, err := metricsql.Parse(expression)
	if err != nil {
		return Expression{}, fmt.Errorf("expression %q: %w", expression, err)
	}
	var found Expression
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			for _, filters := range e.LabelFilterss {
				found.Selectors = append(found.Selectors, selector(filters))
			}
		case *metricsql.AggrFuncExpr:
			found.Grouped = append(found.Grouped, e.Modifier.Args...)
		case *metricsql.BinaryOpExpr:
			found.Grouped = append(append(found.Grouped, e.GroupModifier.Args...), e.JoinModifier.Args...)
		case *metricsql.FuncExpr:
			found.Grouped = append(found.Grouped, sourceLabels(e)...)
		}
	})
	slices.Sort(found.Grouped)
	found.Grouped = slices.Compact(found.Grouped)
	return found, nil
}

func selector(filters []metricsql.LabelFilter) Selector {
	var s Selector
	for _, f := range filters {
		if f.Label == "__name__" {
			s.Metric = f.Value
		} else {
			s.Labels = append(s.Labels, f.Label)
		}
	}
	return s
}

// sourceLabels are the labels that a function reads: label_replace(v, dst, replacement, src, regex), label_join(v, dst, separator, src...).
func sourceLabels(e *metricsql.FuncExpr) []string {
	var args []metricsql.Expr
	switch {
	case strings.EqualFold(e.Name, "label_replace") && len(e.Args) == 5:
		args = e.Args[3:4]
	case strings.EqualFold(e.Name, "label_join") && len(e.Args) > 3:
		args = e.Args[3:]
	}
	var labels []string
	for _, arg := range args {
		if s, ok := arg.(*metricsql.StringExpr); ok && s.S != "" {
			labels = append(labels, s.S)
		}
	}
	return labels
}

// grafanaVariable is $name, ${name} or ${name:format}.
var grafanaVariable = regexp.MustCompile(`\$(?:(\w+)|\{(\w+)(?::\w+)?\})`)

// Expand puts values in the place of Grafana's variables, as Grafana does before it asks a data source. It returns an error that names a
// variable without a value.
func Expand(query string, values map[string]string) (string, error) {
	var missing []string
	expanded := grafanaVariable.ReplaceAllStringFunc(query, func(match string) string {
		parts := grafanaVariable.FindStringSubmatch(match)
		name := parts[1] + parts[2]
		value, ok := values[name]
		if !ok {
			missing = append(missing, name)
		}
		return value
	})
	if missing != nil {
		return "", fmt.Errorf("query %q: variables without a value: %s", query, strings.Join(missing, ", "))
	}
	return expanded, nil
}

// Everything are values for [Expand] with which PromQL selects all instances of a proxy, by its service.name, over the last window. An
// expression for the rate interval takes it too.
func Everything(job, window string) map[string]string {
	return map[string]string{
		"__range": window, "__rate_interval": window, "__interval": window, "slo_window": window,
		"job": job, "instance": ".*", "environment": ".*", "upstream": ".*", "modtap": ".*", "price": "0.09",
	}
}
