// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// methodOther is the http.request.method of those that semconv doesn't know.
const methodOther = "_OTHER"

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

// Active counts requests in flight by method, scheme and operation. The zero value is
// ready for use, from any goroutine.
type Active struct {
	counts [16][len(methods)][len(schemes)]inFlight // by goproxy.Operation; there are fewer
}

type inFlight struct {
	n    atomic.Int64
	seen atomic.Bool // there was one
}

// The values of http.request.method and url.scheme. The first ones have a series before
// there is a request.
var (
	methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", methodOther}
	schemes = [...]string{"http", "https"}
)

// Begin counts a request, and [Active.End] its end.
func (a *Active) Begin(b *exchange.Begin) {
	at := a.at(b)
	at.n.Add(1)
	at.seen.Store(true)
}

// End counts the end of a request.
func (a *Active) End(b *exchange.Begin) { a.at(b).n.Add(-1) }

// at returns the count of requests like b; a scheme that isn't known is taken for http.
func (a *Active) at(b *exchange.Begin) *inFlight {
	known, _ := method(b.Method)
	return &a.counts[b.Request.Operation][slices.Index(methods[:], known)][max(0, slices.Index(schemes[:], b.Scheme))]
}

// Total returns how many requests are in flight.
func (a *Active) Total() (n int64) {
	for _, op := range goproxy.Operations() {
		for m := range methods {
			for s := range schemes {
				n += a.counts[op][m][s].n.Load()
			}
		}
	}
	return n
}

// Read is a [Reader].
func (a *Active) Read() []Reading {
	var out []Reading
	for _, op := range goproxy.Operations() {
		for m := range methods {
			for s := range schemes {
				if at := &a.counts[op][m][s]; at.seen.Load() || m == 0 && s == 0 {
					out = append(out, Reading{
						Metric: &ActiveRequests, Values: []string{methods[m], schemes[s], op.String()}, Value: at.n.Load(),
					})
				}
			}
		}
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
