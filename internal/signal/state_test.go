// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

// countSome adds some of everything that is counted.
func countSome(m *Metrics) {
	m.Add(tell(modPath, nil))
	m.Add(tell(zipPath, func(_ *exchange.Begin, e *exchange.End) {
		e.Leak, e.Attempts[0].Reason = "example.com", "not_found"
	}))
	conflict := tell(modPath, nil)
	conflict.Verdict.Conflict, conflict.Verdict.Outcome = true, cache.ChecksumMismatch
	m.Add(conflict)
	m.Add(&Told{Session: &session.Closed{Start: begun, End: begun.Add(time.Second), Requests: 3}})
	for i := range maxSeries + 1 {
		m.misses.at("zip", string(rune(i)))
	}
	ask(m, "example.com/a", "10.0.0.1", 0)
}

// shown is a snapshot as text.
func shown(t *testing.T, m *Metrics) string {
	t.Helper()
	text, err := new(pmetric.JSONMarshaler).MarshalMetrics(m.Snapshot(begun.Add(time.Minute)))
	require.NoError(t, err)
	return string(text)
}

func TestMetricsGoOnWhereTheyWereStored(t *testing.T) {
	m := NewMetrics(resource, BucketsBoth, begun)
	countSome(m)
	data, err := m.MarshalBinary()
	require.NoError(t, err)
	again := NewMetrics(resource, BucketsBoth, begun.Add(time.Hour))
	require.NoError(t, again.UnmarshalBinary(data))
	assert.Equal(t, shown(t, m), shown(t, again), "the start time too")
	countSome(m)
	countSome(again)
	assert.Equal(t, shown(t, m), shown(t, again))
}

func TestAMetricThatIsDeclaredOtherwiseBeginsAnew(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	countSome(m)
	m.serverDuration.metric.Boundaries = []float64{1}
	m.leaks.metric.Attributes = nil
	data, err := m.MarshalBinary()
	require.NoError(t, err)
	again := NewMetrics(resource, BucketsClassic, begun)
	require.NoError(t, again.UnmarshalBinary(data))
	assert.Empty(t, again.serverDuration.series)
	assert.Empty(t, again.leaks.series)
	assert.Len(t, again.hitters.toolchains.Series(), 1)
	require.Error(t, again.UnmarshalBinary([]byte("x")))
}
