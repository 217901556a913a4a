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
const selfMetricsHead = "# Modtap's metrics of itself and their labels, scraped from running ones by test/scenario (-update adds to them).\n"

// selfMetrics compares dashboards/selfmetrics.txt, which the dashboards' tests believe, with what Prometheus scraped of both Modtaps.
func (r *rehearsal) selfMetrics(t *testing.T) {
	p := r.backends().prometheus
	emitted, err := dashboards.Emitted()
	require.NoError(t, err)
	labels := map[string]map[string]bool{}
	for _, e := range p.evaluate(t, `{__name__=~"otelcol_.+|modtap_.+|go_.+|process_.+"}`, true) {
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
	seen := make(map[string]string, len(labels)) // lines by the metric's name
	for name := range labels {
		seen[name] = strings.Join(append([]string{name}, slices.Sorted(maps.Keys(labels[name]))...), " ") + "\n"
	}
	path := filepath.Join("..", "..", "dashboards", "selfmetrics.txt")
	committed, err := os.ReadFile(path)
	require.NoError(t, err)
	if !*update {
		for _, line := range seen {
			assert.Contains(t, string(committed), "\n"+line, "run this test with -update")
		}
		return
	}
	// What a run doesn't show is there all the same: some counters begin with a rare event. So an update keeps what the file knows.
	for line := range strings.Lines(strings.TrimPrefix(string(committed), selfMetricsHead)) {
		if name := strings.Fields(line)[0]; seen[name] == "" {
			seen[name] = line
		}
	}
	var text strings.Builder
	text.WriteString(selfMetricsHead)
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		text.WriteString(seen[name])
	}
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o644))
}
