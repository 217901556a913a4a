// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/heavy"
)

// HeavyHitters says how many modules and clients are counted by name.
type HeavyHitters struct {
	// Modules and Clients are how many have series of their own; the rest share one,
	// _other. Zero: all do.
	Modules int
	Clients int
	// IdleExpiry is how long a series stays without a count, in journal time. Zero:
	// 1 h.
	IdleExpiry time.Duration
}

// DefaultHeavyHitters are those of new [Metrics].
var DefaultHeavyHitters = HeavyHitters{Modules: 100, Clients: 100, IdleExpiry: time.Hour}

// unnamed is the name of clients of which nothing is told.
const unnamed = "_unknown"

// maxToolchains is how many toolchains are counted by name: some versions, each for
// some platforms, are in use at a time.
const maxToolchains = 100

// hitters counts the modules and the clients of the ingress, and the toolchains.
type hitters struct {
	settings                     HeavyHitters
	modules, clients, toolchains *heavy.Table
}

func newHitters(h HeavyHitters) hitters {
	return hitters{
		settings: h,
		modules:  heavy.New(h.of(h.Modules)), clients: heavy.New(h.of(h.Clients)), toolchains: heavy.New(h.of(maxToolchains)),
	}
}

// of returns the settings of a table with that many series.
func (h HeavyHitters) of(series int) heavy.Settings {
	return heavy.Settings{Series: series, IdleExpiry: h.IdleExpiry}
}

// SetHeavyHitters says how many are counted by name. It is called before the first
// exchange is added.
func (m *Metrics) SetHeavyHitters(h HeavyHitters) { m.hitters = newHitters(h) }

func (h *hitters) add(t *Told) {
	v := heavy.Value{Requests: 1, Bytes: t.End.BodySize}
	if !t.Verdict.Resumes.IsZero() {
		v.Requests = 0 // the rest of a download that is counted already
	}
	if t.Request.Module != "" && t.Verdict.Outcome != cache.Redirect { // that one is downloaded elsewhere
		h.modules.Add(t.Request.Module, string(t.Verdict.Result), v, t.End.Time)
	}
	h.clients.Add(t.clientName(), "", v, t.End.Time)
}

// clientName tells clients apart, as far as the receiver's client_identity allows.
func (t *Told) clientName() string {
	return cmp.Or(t.Begin.Client.Name, t.Begin.Client.Address, unnamed)
}

func (h *hitters) put(start, now pcommon.Timestamp, to pmetric.MetricSlice) {
	count := func(v heavy.Value) int64 { return v.Requests }
	putHeavy(h.modules, moduleRequests, count, start, now, to)
	putHeavy(h.modules, moduleTransferred, func(v heavy.Value) int64 { return v.Bytes }, start, now, to)
	putHeavy(h.clients, requests, count, start, now, to)
	putHeavy(h.toolchains, toolchainRequests, count, start, now, to)
}

// heavyValues are the values of a metric's attributes: the key, or the parts of it,
// and the class if that is one.
func heavyValues(d *Metric, key, class string) []string {
	switch {
	case d.Name != toolchainRequests.Name:
		return []string{key, class}[:len(d.Attributes)]
	case key == heavy.Other:
		return []string{other, other, other}
	}
	return strings.SplitN(key, "/", len(d.Attributes))
}

// putHeavy appends a table as a sum by key and class. A series that left is told to have ended, so that it is taken down everywhere.
func putHeavy(t *heavy.Table, d Metric, value func(heavy.Value) int64, start, now pcommon.Timestamp, to pmetric.MetricSlice) {
	shown := t.Series()
	if len(shown) == 0 {
		return
	}
	m := to.AppendEmpty()
	m.SetName(d.Name)
	m.SetUnit(d.Unit)
	m.SetDescription(d.Description)
	data := m.SetEmptySum()
	data.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	data.SetIsMonotonic(true)
	put := func(s *heavy.Series, ended bool) {
		for _, class := range slices.Sorted(maps.Keys(s.Values)) {
			p := data.DataPoints().AppendEmpty()
			for i, v := range heavyValues(&d, s.Key, class) {
				if v != "" {
					p.Attributes().PutStr(d.Attributes[i], v)
				}
			}
			p.SetStartTimestamp(max(start, timestamp(s.Since)))
			p.SetTimestamp(now)
			if ended {
				p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
			} else {
				p.SetIntValue(value(s.Values[class]))
			}
		}
	}
	for i := range shown {
		put(&shown[i], false)
	}
	left := t.Left()
	for i := range left {
		put(&left[i], true)
	}
}
