// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/modtap/modtap/test/backends"
)

// measured holds every measurement of every proxy against what is reckoned, and returns a table of them.
func measured(tb testing.TB, server *backends.PrometheusServer, gap time.Duration) (string, error) {
	tb.Helper()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "measured / reckoned")
	values := make([]map[string]float64, len(measures))
	for i, m := range measures {
		fmt.Fprintf(w, "\t%s", m.series[strings.Index(m.series, "goproxy_")+len("goproxy_"):])
		values[i] = map[string]float64{}
		for _, s := range server.Query(tb, m.series) {
			values[i][s.Labels["job"]] = s.Value
		}
	}
	var faults []error
	for _, p := range proxies() {
		fmt.Fprintf(w, "\n%s", p.job)
		for i, m := range measures {
			got, there := values[i][p.job]
			want, known := m.of(reckoned{proxy: p, gap: gap})
			faults = append(faults, disagrees(m.series+" of "+p.job, got, there, want, known))
			fmt.Fprintf(w, "\t%s / %s", shown(got, there), shown(want, known))
		}
	}
	_ = w.Flush()
	return b.String(), errors.Join(faults...)
}

func disagrees(what string, got float64, there bool, want float64, known bool) error {
	switch {
	case known && !there:
		return fmt.Errorf("%s: none, reckoned %g", what, want)
	case there && !known:
		return fmt.Errorf("%s: %g, though there should be none", what, got)
	case known && !near(got, want):
		return fmt.Errorf("%s: %g, reckoned %g", what, got, want)
	}
	return nil
}

func shown(value float64, known bool) string {
	if !known {
		return "none"
	}
	return fmt.Sprintf("%.4g", value)
}
