// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// PrometheusOptions configure Prometheus. The zero value scrapes nothing.
type PrometheusOptions struct {
	// Scrape are targets (host:port, path /metrics), scraped every second as job "test". Prometheus begins 5 seconds after its start.
	Scrape []string
	// Job are more lines for the scrape job, one key each, such as "honor_labels: true".
	Job []string
	// Args are more command-line arguments.
	Args []string
}

// PrometheusServer is a running Prometheus.
type PrometheusServer struct {
	*Server
}

// Prometheus starts the Prometheus that is on the PATH or in Debian, with exemplar storage.
func Prometheus(tb testing.TB, o PrometheusOptions) *PrometheusServer {
	tb.Helper()
	path := toolPath(tb, prometheusRecipe.title, prometheusTool)
	server := launch(tb, prometheusRecipe.title, 1, func(root string, ports []int) plan {
		file := filepath.Join(root, "prometheus.yml")
		writeConfig(tb, file, func(w io.Writer) error { return writeScrapes(w, o) })
		address := loopback(ports[0])
		return plan{
			command: command{
				path: path,
				args: append([]string{
					"--config.file", file, "--storage.tsdb.path", filepath.Join(root, "data"), "--web.listen-address", address,
					"--enable-feature=exemplar-storage", "--log.level=warn",
				}, o.Args...),
			},
			url:   "http://" + address,
			ready: answers("http://" + address + "/-/ready"),
		}
	})
	return &PrometheusServer{Server: server}
}

// writeScrapes writes the part of the configuration that names the targets; keys are more lines for the scrape job.
func writeScrapes(w io.Writer, o PrometheusOptions, keys ...string) error {
	var b strings.Builder
	b.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: test\n")
	for _, key := range slices.Concat(keys, o.Job) {
		fmt.Fprintf(&b, "  %s\n", key)
	}
	b.WriteString("  static_configs:\n  - targets:\n")
	for _, target := range o.Scrape {
		fmt.Fprintf(&b, "    - %q\n", target)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Sample is one element of an instant vector.
type Sample struct {
	// Labels has the metric's name as "__name__" where the expression keeps it.
	Labels map[string]string
	Value  float64
}

// Query evaluates an expression now. It has to give an instant vector; elements that are native histograms have no value and are
// left out.
func (p *PrometheusServer) Query(tb testing.TB, expression string) []Sample {
	tb.Helper()
	var answer struct {
		Data struct {
			Type   string `json:"resultType"`
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  []any             `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	ask(tb, http.MethodGet, p.URL+"/api/v1/query?query="+url.QueryEscape(expression), &answer)
	if answer.Data.Type != "vector" {
		tb.Fatalf("%s gives a %s, not a vector", expression, answer.Data.Type)
	}
	samples := make([]Sample, 0, len(answer.Data.Result))
	for _, element := range answer.Data.Result {
		if len(element.Value) != 2 {
			continue
		}
		// A pair of time and value, the value as text because JSON knows neither NaN nor infinity.
		value, err := strconv.ParseFloat(fmt.Sprint(element.Value[1]), 64)
		if err != nil {
			tb.Fatalf("value of %s: %v", expression, err)
		}
		samples = append(samples, Sample{Labels: element.Metric, Value: value})
	}
	return samples
}

// Exemplar is one exemplar that Prometheus keeps.
type Exemplar struct {
	// Series are the labels of the series it belongs to, the metric's name as "__name__".
	Series map[string]string
	// Labels are its own, such as trace_id and span_id.
	Labels map[string]string
	Value  float64
}

// Exemplars returns the exemplars of the last hour of the series that an expression selects.
func (p *PrometheusServer) Exemplars(tb testing.TB, expression string) []Exemplar {
	tb.Helper()
	var answer struct {
		Data []struct {
			Series    map[string]string `json:"seriesLabels"`
			Exemplars []struct {
				Labels map[string]string `json:"labels"`
				Value  float64           `json:"value,string"`
			} `json:"exemplars"`
		} `json:"data"`
	}
	now := time.Now()
	query := url.Values{
		"query": {expression},
		"start": {strconv.FormatInt(now.Add(-time.Hour).Unix(), 10)},
		"end":   {strconv.FormatInt(now.Add(time.Minute).Unix(), 10)},
	}
	ask(tb, http.MethodGet, p.URL+"/api/v1/query_exemplars?"+query.Encode(), &answer)
	var found []Exemplar
	for _, series := range answer.Data {
		for _, one := range series.Exemplars {
			found = append(found, Exemplar{Series: series.Series, Labels: one.Labels, Value: one.Value})
		}
	}
	return found
}
