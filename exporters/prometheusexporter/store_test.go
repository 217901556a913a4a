// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSeriesExpire(t *testing.T) {
	s := newStore(5 * time.Minute)
	now := time.Now()
	s.now = func() time.Time { return now }
	in := newInput(proxy)
	in.counter("c", 1, 1, "a", "old")
	in.histogram("h", []uint64{1, 0, 0}, 1)
	in.exponential("h", 0, 0, []uint64{1}, 1)
	require.NoError(t, s.update(in.Metrics))

	now = now.Add(4 * time.Minute)
	in = newInput(proxy)
	in.counter("c", 1, 1, "a", "new")
	in.exponential("h", 0, 0, []uint64{1}, 1)
	require.NoError(t, s.update(in.Metrics))
	assert.Equal(t, 2, shownSeries(t, s, "c_total"))

	now = now.Add(2 * time.Minute)
	assert.Equal(t, 1, shownSeries(t, s, "c_total"))
	gathered, err := s.Gather()
	require.NoError(t, err)
	for _, f := range gathered {
		if f.GetName() == "h_seconds" {
			assert.Empty(t, f.GetMetric()[0].GetHistogram().GetBucket(), "the classic part has expired")
			assert.NotNil(t, f.GetMetric()[0].GetHistogram().Schema)
		}
	}

	now = now.Add(time.Hour)
	assert.Zero(t, shownSeries(t, s, "c_total"))
	assert.Empty(t, s.families)
	assert.Empty(t, s.claims, "the names are free again")

	in = newInput(proxy)
	in.metric("c_total", "").SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(1)
	assert.NoError(t, s.update(in.Metrics))
}

func TestSeriesExpireWithoutAScrape(t *testing.T) {
	s := newStore(5 * time.Minute)
	now := time.Now()
	s.now = func() time.Time { return now }
	for _, name := range []string{"old", "new"} {
		in := newInput(nil)
		in.counter(name, 1, 1)
		require.NoError(t, s.update(in.Metrics))
		now = now.Add(6 * time.Minute)
	}
	assert.Len(t, s.families, 1)
}

// shownSeries is the number of series that a family shows.
func shownSeries(t *testing.T, s *store, name string) int {
	t.Helper()
	n, err := testutil.GatherAndCount(s, name)
	require.NoError(t, err)
	return n
}
