// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// variable is a template variable.
type variable = cog.Builder[dashboard.VariableModel]

func text(s string) dashboard.StringOrMap { return dashboard.StringOrMap{String: &s} }

// option is a variable's value at first.
func option(s string) dashboard.VariableOption {
	one := dashboard.StringOrArrayOfString{String: &s}
	return dashboard.VariableOption{Selected: new(true), Text: one, Value: one}
}

// everything is the choice of all values.
func everything() dashboard.VariableOption {
	o := option("$__all")
	o.Text = dashboard.StringOrArrayOfString{String: new("All")}
	return o
}

// fromMetrics is a variable whose values are those of a label.
func fromMetrics(name, label, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source(typePrometheus)).Query(text(query)).Definition(query).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
}

// sources are the data sources that every board knows, so that links can keep them.
func sources() []variable {
	return []variable{
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type(typePrometheus).
			Description("Prometheus that scrapes Modtap's /metrics with honor_labels."),
		dashboard.NewDatasourceVariableBuilder("elasticsearch").Label("Elasticsearch").Type(typeElasticsearch).
			Description("Elasticsearch that holds the requests' documents."),
		dashboard.NewDatasourceVariableBuilder("jaeger").Label("Jaeger").Type(typeJaeger).
			Description("Jaeger that holds the traces."),
	}
}

// selection are the variables of boards about the traffic.
func selection() []variable {
	return append(
		sources(),
		// Without an environment the proxies have no such label: its expression for all of them matches none, too.
		fromMetrics("environment", "Environment", `label_values(target_info, deployment_environment_name)`).
			Description("deployment.environment.name, where it is set.").IncludeAll(true).AllValue(".*").Multi(true).Current(everything()),
		fromMetrics("job", "Proxy", `label_values(target_info{deployment_environment_name=~"$environment"}, job)`).
			Description("service.name of the observed proxy."),
		// No value of its own for all: all instances of the environment are listed, so that it filters what has no such label.
		fromMetrics("instance", "Instance", `label_values(target_info{job="$job",deployment_environment_name=~"$environment"}, instance)`).
			Description("service.instance.id of the Modtap beside the proxy.").IncludeAll(true).Multi(true).Current(everything()),
	)
}

// upstream selects hosts that are asked.
func upstream() variable {
	return fromMetrics("upstream", "Upstream", scoped(`label_values(http_client_request_duration_seconds_count{@}, server_address)`)).
		Description("Hosts that the proxy or Modtap ask.").IncludeAll(true).AllValue(".*").Multi(true).Current(everything())
}

// choice is a variable of fixed values, the first of which is chosen at first.
func choice(name, label, description string, first string, others ...string) variable {
	values, options := first, []dashboard.VariableOption{option(first)}
	var valuesSb71 strings.Builder
	for _, o := range others {
		valuesSb71.WriteString("," + o)
		one := option(o)
		one.Selected = new(false)
		options = append(options, one)
	}
	values += valuesSb71.String()
	return dashboard.NewCustomVariableBuilder(name).Label(label).Description(description).Values(text(values)).Options(options).Current(option(first))
}

// input is a variable that is typed.
func input(name, label, description, first string) variable {
	return dashboard.NewTextBoxVariableBuilder(name).Label(label).Description(description).DefaultValue(text(first)).
		Current(option(first)).Options([]dashboard.VariableOption{option(first)})
}

// fromDocuments is a variable whose values are those of a field.
func fromDocuments(name, label, field string) *dashboard.QueryVariableBuilder {
	query := `{"find":"terms","field":"` + field + `","size":500}`
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source(typeElasticsearch)).Query(text(query)).Definition(query).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
		IncludeAll(true).AllValue("*").Multi(true).Current(everything())
}
