// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// round is the time over which one median is taken.
	round = 5 * time.Second
	// maxLatencyRatio is what noise of the machine doesn't reach. The issue's
	// bound, 1.10, is for the printed figure on a machine without other work.
	maxLatencyRatio = 1.5
)

// latency compares the target with the control, which got the same load.
type latency struct {
	median  time.Duration // of the target
	control time.Duration
	ratio   float64 // the median of the rounds' ratios
	rounds  []float64
}

func (l latency) String() string {
	if len(l.rounds) == 0 {
		return ""
	}
	rounds := make([]string, len(l.rounds))
	for i, ratio := range l.rounds {
		rounds[i] = fmt.Sprintf("%.2f", ratio)
	}
	return fmt.Sprintf("latency: median %v, control %v; ratio %.3f, by rounds: %s",
		l.median.Round(time.Microsecond), l.control.Round(time.Microsecond), l.ratio, strings.Join(rounds, " "))
}

// latencies are without those of a Modtap that was away for a while.
func (r *run) latencies() (l latency) {
	if r.paused || len(r.gone) > 0 {
		return l
	}
	of, against := r.rounds(r.load.target), r.rounds(r.load.control)
	var all, control []time.Duration
	for i := range min(len(of), len(against)) {
		// A round that was cut short says little.
		if len(of[i]) > 100 && len(against[i]) > 100 {
			l.rounds = append(l.rounds, float64(median(of[i]))/float64(median(against[i])))
			all, control = append(all, of[i]...), append(control, against[i]...)
		}
	}
	if len(l.rounds) > 0 {
		l.median, l.control, l.ratio = median(all), median(control), median(slices.Clone(l.rounds))
	}
	return l
}

// rounds are the latencies of the complete requests, by the round in which they began.
func (r *run) rounds(c *client) (rounds [][]time.Duration) {
	for _, request := range c.all() {
		if request.err != nil || request.began.Before(r.began) {
			continue
		}
		at := int(request.began.Sub(r.began) / round)
		for len(rounds) <= at {
			rounds = append(rounds, nil)
		}
		rounds[at] = append(rounds[at], request.ended.Sub(request.began))
	}
	return rounds
}

func median[T time.Duration | float64](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
