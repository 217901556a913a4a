// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// backendNames are the backends that hold single exchanges.
var backendNames = [...]string{"documents", "lines", "spans"}

// row is what one fault came to.
type row struct {
	fault          string
	sent, complete int // requests; complete: received completely
	told           *told
	prometheus     int // requests that Prometheus counts; -1: it wasn't there
	missing        [len(backendNames)]int
	lost           [len(backendNames)]int // as Modtap counts it, where a loss is allowed
	duplicates     [len(backendNames)]int
	failed         int // downloads, while Modtap was there
	starts         []restart
	latency        latency
}

const head = "fault\tsent\tcompleted\tdocuments\tlines\tspans\tcounter\tPrometheus\tmissing d/l/s\tcounted lost d/l/s\tduplicates d/l/s\tfailed\trestart median/max\tlatency ratio"

func (r *row) cells() string {
	restart, prometheus, ratio := "-", "-", "-"
	if n := len(r.starts); n > 0 {
		restart = fmt.Sprint(median(times(r.starts)).Round(time.Millisecond), "/", slices.Max(times(r.starts)).Round(time.Millisecond))
	}
	if r.prometheus >= 0 {
		prometheus = strconv.Itoa(r.prometheus)
	}
	if r.latency.ratio > 0 {
		ratio = fmt.Sprintf("%.3f", r.latency.ratio)
	}
	return fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%d/%d/%d\t%d/%d/%d\t%d/%d/%d\t%d\t%s\t%s", r.fault, r.sent, r.complete,
		r.told.in[0].total(), r.told.in[1].total(), r.told.in[2].total(), r.told.counter, prometheus,
		r.missing[0], r.missing[1], r.missing[2], r.lost[0], r.lost[1], r.lost[2], r.duplicates[0], r.duplicates[1], r.duplicates[2], r.failed, restart, ratio)
}

// String is the row as a table of its own, with the latencies.
func (r *row) String() string {
	return table{lines: []string{r.cells()}}.String() + r.latency.String()
}

// table is all faults so far.
type table struct{ lines []string }

func (t *table) add(r *row) { t.lines = append(t.lines, r.cells()) }

func (t table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\n"+head)
	for _, line := range t.lines {
		fmt.Fprintln(w, line)
	}
	_ = w.Flush() // into memory
	return b.String()
}
