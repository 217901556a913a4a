// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"maps"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// target is a query of a panel. Its refId is set when the board is built.
type target = cog.Builder[variants.Dataquery]

// The types of data sources, as Grafana names their plugins.
const (
	typePrometheus    = "prometheus"
	typeElasticsearch = "elasticsearch"
	typeJaeger        = "jaeger"
)

// source refers to the data source that a variable of the same name as its type holds.
func source(kind string) common.DataSourceRef {
	uid := map[string]string{typePrometheus: "${datasource}", typeElasticsearch: "${elasticsearch}", typeJaeger: "${jaeger}"}[kind]
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

// scoped puts the selection of the proxy and its instances in the place of @ in each {@} and {@,name="value"}.
func scoped(expression string) string {
	return strings.ReplaceAll(expression, "{@", `{job="$job",instance=~"$instance"`)
}

// line is drawn over the range. The expression is [scoped].
func line(expression, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(scoped(expression)).LegendFormat(legend).
		Format(prometheus.PromQueryFormatTimeSeries).Range().Datasource(source(typePrometheus))
}

// buckets are the classic buckets of a heat map: a series for each le.
func buckets(expression string) *prometheus.DataqueryBuilder {
	return line(expression, "{{le}}").Format(prometheus.PromQueryFormatHeatmap)
}

// latest is evaluated once, at the end of the range.
func latest(expression, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(scoped(expression)).LegendFormat(legend).
		Format(prometheus.PromQueryFormatTimeSeries).Instant().Datasource(source(typePrometheus))
}

// entries are the rows of a table.
func entries(expression string) *prometheus.DataqueryBuilder {
	return latest(expression, "").Format(prometheus.PromQueryFormatTable)
}

// filter is the Lucene query of what the variables select, and more.
func filter(more string) string {
	q := "service.name:$job AND service.instance.id:$instance"
	if more != "" {
		q += " AND " + more
	}
	return q
}

func documents(lucene string, metrics []elasticsearch.MetricAggregation, by ...elasticsearch.BucketAggregation) *elasticsearch.DataqueryBuilder {
	if by == nil {
		by = []elasticsearch.BucketAggregation{} // Grafana takes a missing list for the default, a histogram of time
	}
	return elasticsearch.NewDataqueryBuilder().Query(lucene).TimeField("@timestamp").Metrics(metrics).BucketAggs(by).
		Datasource(source(typeElasticsearch))
}

// terms groups documents by a field, the size greatest by a metric's id, or by "_count".
func terms(id, field, size, by string) elasticsearch.BucketAggregation {
	order := elasticsearch.TermsOrderDesc
	t := elasticsearch.NewTerms()
	t.Id, t.Field = id, &field
	t.Settings = elasticsearch.NewElasticsearchTermsSettings()
	t.Settings.Size, t.Settings.OrderBy, t.Settings.Order, t.Settings.MinDocCount = &size, &by, &order, new("1")
	return elasticsearch.BucketAggregation{Terms: t}
}

// overTime groups documents by time.
func overTime(id string) elasticsearch.BucketAggregation {
	d := elasticsearch.NewDateHistogram()
	d.Id, d.Field = id, new("@timestamp")
	d.Settings = elasticsearch.NewElasticsearchDateHistogramSettings()
	d.Settings.Interval, d.Settings.MinDocCount = new("auto"), new("0")
	return elasticsearch.BucketAggregation{DateHistogram: d}
}

// count counts documents; it is the first metric of its target.
func countDocuments() elasticsearch.MetricAggregation {
	m := elasticsearch.NewCount()
	m.Id = "1"
	return elasticsearch.MetricAggregation{Count: m}
}

func maxOf(id, field string) elasticsearch.MetricAggregation {
	m := elasticsearch.NewMax()
	m.Id, m.Field = id, &field
	return elasticsearch.MetricAggregation{Max: m}
}

func sumOf(id, field string) elasticsearch.MetricAggregation {
	m := elasticsearch.NewSum()
	m.Id, m.Field = id, &field
	return elasticsearch.MetricAggregation{Sum: m}
}

func averageOf(id, field string) elasticsearch.MetricAggregation {
	m := elasticsearch.NewAverage()
	m.Id, m.Field = id, &field
	return elasticsearch.MetricAggregation{Average: m}
}

func percentilesOf(id, field string, percents ...string) elasticsearch.MetricAggregation {
	m := elasticsearch.NewPercentiles()
	m.Id, m.Field = id, &field
	m.Settings = elasticsearch.NewElasticsearchPercentilesSettings()
	m.Settings.Percents = percents
	return elasticsearch.MetricAggregation{Percentiles: m}
}

// logsOf are whole documents, for a panel of logs.
func logsOf(id, limit string) elasticsearch.MetricAggregation {
	m := elasticsearch.NewLogs()
	m.Id = id
	m.Settings = elasticsearch.NewElasticsearchLogsSettings()
	m.Settings.Limit = &limit
	return elasticsearch.MetricAggregation{Logs: m}
}

// jaegerQuery is a query that the SDK has no type for.
type jaegerQuery map[string]any

// Build implements [cog.Builder].
func (q jaegerQuery) Build() (variants.Dataquery, error) {
	out := variants.UnknownDataquery{"datasource": source(typeJaeger)}
	maps.Copy(out, q)
	return out, nil
}
