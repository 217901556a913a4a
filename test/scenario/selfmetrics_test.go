// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards"
)

// selfMetricsHead is the first line of dashboards/selfmetrics.txt.
const selfMetricsHead = "# Modtap's metrics of itself and their labels, scraped from running ones by test/scenario (-update writes them anew).\n"

// selfMetrics compares dashboards/selfmetrics.txt, which the dashboards' tests believe, with what Prometheus scraped of both Modtaps.
func (r *rehearsal) selfMetrics(t *testing.T) {
	p := r.backends().prometheus
	emitted, err := dashboards.Emitted()
	require.NoError(t, err)
	labels := map[string]map[string]bool{}
	for _, e := range p.evaluate(t, `{__name__=~"otelcol_.+|go_.+|process_.+"}`, true) {
		name := e.Metric["__name__"]
		if emitted[name].Declared != "" || len(e.Histograms) > 0 {
			continue
		}
		if labels[name] == nil {
			labels[name] = map[string]bool{}
		}
		for label := range e.Metric {
			if !slices.Contains([]string{"__name__", "job", "instance"}, label) {
				labels[name][label] = true
			}
		}
	}
	var text strings.Builder
	text.WriteString(selfMetricsHead)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		text.WriteString(strings.Join(append([]string{name}, slices.Sorted(maps.Keys(labels[name]))...), " ") + "\n")
	}
	path := filepath.Join("..", "..", "dashboards", "selfmetrics.txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o644))
	}
	// Some counters begin with a rare event: the file may know more than a run shows, and a run may show what no dashboard asks for.
	committed, err := os.ReadFile(path)
	require.NoError(t, err)
	known := map[string][]string{}
	for line := range strings.Lines(string(committed)) {
		if fields := strings.Fields(line); fields[0] != "#" {
			known[fields[0]] = fields[1:]
		}
	}
	compared := 0
	for name, seen := range labels {
		if listed, ok := known[name]; ok {
			compared++
			assert.ElementsMatch(t, listed, slices.Collect(maps.Keys(seen)), "labels of %s: run this test with -update", name)
		} else {
			t.Logf("%s isn't in %s", name, filepath.Base(path))
		}
	}
	assert.Greater(t, compared, len(known)*3/4, "a run shows most of them")
}
