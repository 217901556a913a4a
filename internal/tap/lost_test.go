// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/exchange"
)

// keptRun is a run that answers n requests; it returns what it told.
func keptRun(t *testing.T, dir string, n int) (ids []string, shown []pmetric.Metrics) {
	t.Helper()
	logs, metrics := new(consumertest.LogsSink), new(consumertest.MetricsSink)
	e := keptEngine(t, dir, func(s *Settings) { s.Consumers = Consumers{Logs: logs, Metrics: metrics} })
	e.Start()
	for range n {
		request(e, exchange.Hit)
	}
	e.Shutdown(context.Background())
	return eventIDs(logs.AllLogs()), metrics.AllMetrics()
}

func started(md pmetric.Metrics) time.Time {
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Type() == pmetric.MetricTypeHistogram {
			return m.Histogram().DataPoints().At(0).StartTimestamp().AsTime()
		}
	}
	return time.Time{}
}

// TestWhatIsLostIsSaid takes away, or damages, each part of what is kept between
// two runs. The next one starts, tells what comes, tells nothing twice, and
// counts on from what it has.
func TestWhatIsLostIsSaid(t *testing.T) {
	for name, tt := range map[string]struct {
		harm func(t *testing.T, dir string)
		anew bool // the counters begin anew, with what the journal still holds
	}{
		"nothing":            {harm: func(*testing.T, string) {}},
		"checkpoint removed": {harm: remove("checkpoint"), anew: true},
		"checkpoint garbage": {harm: garble("checkpoint"), anew: true},
		"cursors removed":    {harm: remove("cursors")},
		"cursors garbage":    {harm: garble("cursors")},
		"journal removed":    {harm: remove("journal")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before, shown := keptRun(t, dir, 10)
			require.Len(t, before, 10)
			start := started(shown[len(shown)-1])
			tt.harm(t, dir)
			after, shown := keptRun(t, dir, 5)
			assert.Len(t, after, 5)
			assert.IsIncreasing(t, append(before, after...))
			last := shown[len(shown)-1]
			assert.EqualValues(t, 15, count(last, "http.server.request.duration"))
			assert.Equal(t, tt.anew, started(last).After(start), "the start time says whether the counters began anew")
		})
	}
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		require.NoError(t, os.RemoveAll(filepath.Join(dir, name)))
	}
}

func garble(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		data[len(data)/2]++
		data[len(data)-1]++
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
}

// TestDirectoryRemovedWhileRunning: what is kept is made again, so a later crash
// loses nothing.
func TestDirectoryRemovedWhileRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	logs := new(consumertest.LogsSink)
	e := keptEngine(t, dir, func(s *Settings) { s.Consumers.Logs = logs })
	e.Start()
	request(e, exchange.Hit)
	require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, time.Minute, time.Millisecond) // it may be writing there just then
	request(e, exchange.Hit)
	for _, name := range []string{"checkpoint", "cursors", "journal"} {
		require.Eventually(t, func() bool {
			request(e, exchange.Hit)
			_, err := os.Stat(filepath.Join(dir, name))
			return err == nil
		}, time.Minute, 100*time.Millisecond, name)
	}
	e.Shutdown(context.Background())
	told := len(eventIDs(logs.AllLogs()))
	after, _ := keptRun(t, dir, 1)
	assert.Len(t, after, 1, "the cursor is right again")
	assert.GreaterOrEqual(t, told, 5)
}
