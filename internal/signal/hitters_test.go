// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/exchange"
)

func ask(m *Metrics, module, client string, after time.Duration) {
	m.Add(tell("/"+module+"/@v/v1.0.0.mod", func(b *exchange.Begin, e *exchange.End) {
		b.Client.Address, e.Time = client, begun.Add(after)
	}))
}

func TestHeavyHitters(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	m.SetHeavyHitters(HeavyHitters{Modules: 2, Clients: 1, IdleExpiry: time.Hour})
	ask(m, "example.com/a", "10.0.0.1", 0)
	ask(m, "example.com/b", "", 0)
	ask(m, "example.com/c", "10.0.0.1", 0)
	ask(m, "example.com/a", "10.0.0.1", 0)
	m.Add(tell("/sumdb/sum.example/latest", nil)) // names no module
	m.Add(tell(modPath, func(b *exchange.Begin, _ *exchange.End) { b.Side = exchange.Egress }))
	md := m.Snapshot(begun.Add(time.Minute))
	assert.Equal(t, map[string]float64{
		"map[goproxy.cache.result:miss goproxy.module.path:example.com/a]": 2,
		"map[goproxy.cache.result:miss goproxy.module.path:example.com/b]": 1,
		"map[goproxy.cache.result:miss goproxy.module.path:_other]":        1,
	}, points(md, "goproxy.module.requests", pmetric.MetricTypeSum))
	assert.Equal(t, map[string]float64{
		"map[goproxy.cache.result:miss goproxy.module.path:example.com/a]": 2000,
		"map[goproxy.cache.result:miss goproxy.module.path:example.com/b]": 1000,
		"map[goproxy.cache.result:miss goproxy.module.path:_other]":        1000,
	}, points(md, "goproxy.module.transferred", pmetric.MetricTypeSum))
	assert.Equal(t, map[string]float64{
		"map[goproxy.client.name:10.0.0.1]": 3,
		"map[goproxy.client.name:_other]":   2,
	}, points(md, "goproxy.requests", pmetric.MetricTypeSum))
}

func TestClientsWithoutAName(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	ask(m, "example.com/a", "", 0)
	m.Add(tell(modPath, func(b *exchange.Begin, _ *exchange.End) { b.Client.Name = "ci" }))
	assert.Equal(t, map[string]float64{"map[goproxy.client.name:_unknown]": 1, "map[goproxy.client.name:ci]": 1},
		points(m.Snapshot(begun), "goproxy.requests", pmetric.MetricTypeSum))
}

func TestASeriesThatLeftIsToldToHaveEnded(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	m.SetHeavyHitters(HeavyHitters{Modules: 1, Clients: 1, IdleExpiry: time.Hour})
	ask(m, "example.com/a", "c", 0)
	ask(m, "example.com/b", "c", 2*time.Hour)
	told := map[string]string{}
	for _, metric := range m.Snapshot(begun.Add(2 * time.Hour)).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if metric.Name() != "goproxy.module.requests" {
			continue
		}
		for _, p := range metric.Sum().DataPoints().All() {
			path, _ := p.Attributes().Get("goproxy.module.path")
			told[path.Str()] = fmt.Sprint(p.IntValue(), p.Flags().NoRecordedValue(), p.StartTimestamp().AsTime().Sub(begun.Time()))
		}
	}
	assert.Equal(t, map[string]string{"example.com/a": "0 true 0s", "example.com/b": "1 false 2h0m0s"}, told)
}

// TestHeavyHittersAreExact: over junk and real modules, the series' values sum up to
// what was added.
func TestHeavyHittersAreExact(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	m.SetHeavyHitters(HeavyHitters{Modules: 10, Clients: 10})
	for i := range 20_000 {
		module := fmt.Sprintf("junk.example/%d", i)
		if i%2 == 0 {
			module = fmt.Sprintf("example.com/m%d", i%7)
		}
		ask(m, module, fmt.Sprint("client ", i%100), time.Duration(i)*time.Millisecond)
		if i%1000 != 999 {
			continue
		}
		md := m.Snapshot(begun)
		for _, name := range []string{"goproxy.module.requests", "goproxy.requests"} {
			series := points(md, name, pmetric.MetricTypeSum)
			require.Len(t, series, 11)
			var sum float64
			for _, n := range series {
				sum += n
			}
			require.InDelta(t, i+1, sum, 0, name)
		}
	}
}
