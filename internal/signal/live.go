// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/goproxy"
)

// Reading is one value of a metric that is read when a snapshot is made and
// never replayed.
type Reading struct {
	// Metric is one of those that are declared as read live.
	Metric *Metric
	// Values are the attributes' values, in the order of Metric.Attributes.
	Values []string
	Value  int64
}

// Reader returns the present values of some metrics. It is called for each
// snapshot and mustn't block.
type Reader func() []Reading

// Active counts requests in flight by operation. The zero value is ready for
// use, from any goroutine.
type Active struct {
	counts [16]atomic.Int64 // by goproxy.Operation; there are fewer
}

// Add counts n requests more.
func (a *Active) Add(op goproxy.Operation, n int64) { a.counts[op].Add(n) }

// Total returns how many requests are in flight.
func (a *Active) Total() (n int64) {
	for i := range a.counts {
		n += a.counts[i].Load()
	}
	return n
}

// Read is a [Reader].
func (a *Active) Read() []Reading {
	var out []Reading
	for _, op := range goproxy.Operations() {
		out = append(out, Reading{Metric: &ActiveRequests, Values: []string{op.String()}, Value: a.counts[op].Load()})
	}
	return out
}

// live appends what the readers tell, each metric once.
func live(readers []Reader, start, now pcommon.Timestamp, to pmetric.MetricSlice) {
	var families []*family[int64]
	byMetric := make(map[*Metric]*family[int64])
	for _, read := range readers {
		for _, r := range read() {
			f := byMetric[r.Metric]
			if f == nil {
				f = newFamily[int64](*r.Metric)
				byMetric[r.Metric] = f
				families = append(families, f)
			}
			*f.at(r.Values...) += r.Value
		}
	}
	for _, f := range families {
		sum(f, start, now, to)
	}
}
