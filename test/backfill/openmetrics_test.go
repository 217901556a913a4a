// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards"
)

const duration = "http_server_request_duration_seconds"

// label is a label's name and value.
type label struct{ name, value string }

// kind is one way in which requests end, and so one histogram of each proxy.
type kind struct {
	labels []label
	count  func(traffic) float64
	late   func(traffic) float64
}

var kinds = []kind{
	{
		labels: ended("200", "hit", "ok"), count: traffic.hits,
		late: func(t traffic) float64 { return t.hits() * t.slow },
	},
	{
		labels: ended("200", "miss", "ok"), count: traffic.misses,
		late: func(t traffic) float64 { return t.misses() * t.slow },
	},
	{
		labels: append(ended("502", "miss", "upstream_error"), label{"error_type", "502"}), count: traffic.failures,
		late: func(traffic) float64 { return 0 },
	},
}

func ended(status, result, outcome string) []label {
	return []label{
		{"http_request_method", "GET"},
		{"url_scheme", "http"},
		{"http_route", "/{module}/@v/{version}.info"},
		{"http_response_status_code", status},
		{"goproxy_operation", operation},
		{"goproxy_cache_result", result},
		{"goproxy_outcome", outcome},
	}
}

// series is one histogram while it is written: the rising counts, and the text of its samples before the values.
type series struct {
	kind              kind
	count, late       float64
	quick, all, total string
}

// writeOpenMetrics writes a sample a minute of all proxies up to end. Sums, and the buckets that no rule of this operation reads, are left
// out. As with Modtap, a series appears with its first event.
func writeOpenMetrics(tb testing.TB, path string, end time.Time) (samples int) {
	tb.Helper()
	file, err := os.Create(path)
	require.NoError(tb, err)
	out := bufio.NewWriterSize(file, 1<<20)
	fmt.Fprintf(out, "# TYPE %s histogram\n", duration)
	all := proxies()
	written := make([][]series, len(all))
	oldest := time.Duration(0)
	for i, p := range all {
		oldest = max(oldest, p.age)
		for _, k := range kinds {
			written[i] = append(written[i], newSeries(tb, p.job, k))
		}
	}
	for ago := oldest; ago >= 0; ago -= time.Minute {
		at := end.Add(-ago).Unix()
		for i, p := range all {
			if ago > p.age {
				continue
			}
			for j := range written[i] {
				samples += written[i][j].write(out, p.at(ago), at)
			}
		}
	}
	fmt.Fprintln(out, "# EOF")
	require.NoError(tb, errors.Join(out.Flush(), file.Close()))
	return samples
}

func newSeries(tb testing.TB, job string, k kind) series {
	tb.Helper()
	labels := append([]label{{"job", job}, {"instance", job + "-0"}}, k.labels...)
	text := func(name string, more ...label) string { return sample(tb, name, slices.Concat(labels, more)) }
	return series{
		kind:  k,
		quick: text(duration+"_bucket", label{"le", objective(tb).Within}),
		all:   text(duration+"_bucket", label{"le", "+Inf"}),
		total: text(duration + "_count"),
	}
}

// write adds one minute.
func (s *series) write(out *bufio.Writer, t traffic, at int64) int {
	s.count += s.kind.count(t)
	s.late += s.kind.late(t)
	// A sum of many 0.2 may stay a hair below a whole number.
	count, late := int(s.count+1e-6), int(s.late+1e-6)
	if count == 0 {
		return 0
	}
	fmt.Fprintf(out, "%s %d %d\n%s %d %d\n%s %d %d\n", s.quick, count-late, at, s.all, count, at, s.total, count, at)
	return 3
}

// sample writes a series' name and labels, and refuses what no code of Modtap emits.
func sample(tb testing.TB, name string, labels []label) string {
	tb.Helper()
	emitted, err := dashboards.Emitted()
	require.NoError(tb, err)
	metric, ok := emitted[name]
	require.True(tb, ok, "no code emits %s", name)
	pairs := make([]string, len(labels))
	for i, l := range labels {
		require.Contains(tb, metric.Labels, l.name, name)
		pairs[i] = fmt.Sprintf("%s=%q", l.name, l.value)
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// objective is the one that holds for the operation of all requests.
func objective(tb testing.TB) dashboards.Objective {
	tb.Helper()
	for _, o := range dashboards.Objectives {
		for name := range strings.SplitSeq(o.Operations, "|") {
			if name == operation {
				return o
			}
		}
	}
	tb.Fatalf("no objective for %s", operation)
	return dashboards.Objective{}
}
