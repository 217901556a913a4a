// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Series is one proxy with one file: a value for each round.
type Series struct {
	Proxy     string
	Processor []float64 // seconds for each request
	PerSecond []float64 // requests
	P50, P99  []float64 // seconds
}

// WriteTable writes one file's series as a Markdown table of medians over rounds. Ratios are to the series of the proxy base, round
// by round; their range says how noisy the run was.
func WriteTable(b *strings.Builder, base string, series []Series) {
	b.WriteString("| proxy | processor time per request | ratio (range) | requests/s | p50 | p99 |\n|---|--:|--:|--:|--:|--:|\n")
	at := slices.IndexFunc(series, func(s Series) bool { return s.Proxy == base })
	for _, s := range series {
		ratio := "-"
		if at >= 0 {
			ratio = spread(Ratios(s.Processor, series[at].Processor))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %.0f | %s | %s |\n", s.Proxy, seconds(Median(s.Processor)), ratio,
			Median(s.PerSecond), seconds(Median(s.P50)), seconds(Median(s.P99)))
	}
}

func spread(ratios []float64) string {
	if len(ratios) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", Median(ratios), slices.Min(ratios), slices.Max(ratios))
}

// seconds writes a time with three digits and the unit that fits.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f us", float64(d)/float64(time.Microsecond))
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
