// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import "go.opentelemetry.io/collector/pdata/pcommon"

// rememberedTraces is how many traces are remembered for certain; twice as many at
// most.
const rememberedTraces = 20_000

// decisions remembers what was decided about traces, so that all spans of one share
// its fate. The oldest half is forgotten when the younger one is full.
type decisions struct {
	young, old map[pcommon.TraceID]decision
	limit      int // Of each half.
}

func newDecisions(limit int) *decisions {
	return &decisions{young: make(map[pcommon.TraceID]decision), limit: limit}
}

func (d *decisions) of(id pcommon.TraceID) (decision, bool) {
	if made, ok := d.young[id]; ok {
		return made, true
	}
	made, ok := d.old[id]
	if ok { // A trace that goes on is as good as new.
		d.remember(id, made)
	}
	return made, ok
}

func (d *decisions) remember(id pcommon.TraceID, made decision) {
	if len(d.young) >= d.limit {
		d.old, d.young = d.young, make(map[pcommon.TraceID]decision, d.limit)
	}
	d.young[id] = made
}
