// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/modtap/modtap/internal/eventid"
)

// Runs of before the tests, in their order.
const (
	firstRun  = "01a203752ddf75ac5a9a"
	secondRun = "01a203752de000000001"
	thirdRun  = "01a203752de100000001"
)

// futureRun is a run that begins after the exporters of the tests are made.
func futureRun() string { return fmt.Sprintf("%012x%08x", time.Now().Add(time.Hour).UnixMilli(), 1) }

func eventID(run string, number int) string {
	return eventid.ID{Run: run, Number: uint64(number)}.String()
}

// told is what the engine of an instance tells of a run: the numbers from first
// to last.
func told(instance, run string, first, last int) plog.Logs {
	logs := plog.NewLogs()
	inResource := logs.ResourceLogs().AppendEmpty()
	inResource.Resource().Attributes().PutStr("service.instance.id", instance)
	inResource.Resource().Attributes().PutStr("service.name", "proxy-"+instance)
	records := inResource.ScopeLogs().AppendEmpty().LogRecords()
	for number := first; number <= last; number++ {
		record := records.AppendEmpty()
		record.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		record.Body().SetStr("two\nlines")
		record.Attributes().PutStr("event.id", eventID(run, number))
	}
	return logs
}

func ids(run string, first, last int) []string {
	var all []string
	for number := first; number <= last; number++ {
		all = append(all, eventID(run, number))
	}
	return all
}

// stopped is an exporter that has written batches and stopped.
func stopped(t *testing.T, cfg *Config, batches ...plog.Logs) {
	t.Helper()
	logs := newLogs(t, cfg)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	consume(t, logs, batches...)
	require.NoError(t, logs.Shutdown(t.Context()))
}

func consume(t *testing.T, logs interface {
	ConsumeLogs(context.Context, plog.Logs) error
}, batches ...plog.Logs,
) {
	t.Helper()
	for _, b := range batches {
		require.NoError(t, logs.ConsumeLogs(t.Context(), b))
	}
}

func TestWhatIsToldAgainIsWrittenOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		before, after []plog.Logs
		want          []string
	}{
		"the same batch": {
			before: []plog.Logs{told("a", firstRun, 1, 3)},
			after:  []plog.Logs{told("a", firstRun, 1, 3)},
			want:   ids(firstRun, 1, 3),
		},
		"other batches of the same documents": {
			before: []plog.Logs{told("a", firstRun, 1, 3), told("a", firstRun, 4, 5)},
			after:  []plog.Logs{told("a", firstRun, 1, 2), told("a", firstRun, 3, 7)},
			want:   ids(firstRun, 1, 7),
		},
		"earlier runs": {
			before: []plog.Logs{told("a", firstRun, 1, 3), told("a", secondRun, 1, 2)},
			after:  []plog.Logs{told("a", firstRun, 1, 3), told("a", secondRun, 1, 3), told("a", thirdRun, 1, 1)},
			want:   append(append(ids(firstRun, 1, 3), ids(secondRun, 1, 3)...), eventID(thirdRun, 1)),
		},
		"a run whose clock was set back": {
			before: []plog.Logs{told("a", secondRun, 1, 2)},
			after:  []plog.Logs{told("a", firstRun, 1, 2), told("a", firstRun, 1, 3)},
			want:   append(ids(secondRun, 1, 2), ids(firstRun, 1, 3)...),
		},
		"instances that share the file": {
			before: []plog.Logs{told("a", firstRun, 1, 2), told("b", firstRun, 1, 1)},
			after:  []plog.Logs{told("b", firstRun, 1, 2), told("a", firstRun, 1, 3), told("", firstRun, 1, 1)},
			want:   []string{eventID(firstRun, 1), eventID(firstRun, 2), eventID(firstRun, 1), eventID(firstRun, 2), eventID(firstRun, 3), eventID(firstRun, 1)},
		},
		"documents that come late": {
			before: []plog.Logs{told("a", firstRun, 1, 2), told("a", firstRun, 9, 9)},
			after:  []plog.Logs{told("a", firstRun, 3, 9)},
			want:   append(append(ids(firstRun, 1, 2), eventID(firstRun, 9)), ids(firstRun, 3, 8)...),
		},
		"one batch": {
			before: []plog.Logs{both(told("a", firstRun, 1, 2), told("a", firstRun, 2, 3))},
			want:   ids(firstRun, 1, 3),
		},
	} {
		// The order of lines of one instance is that of the telling; that is all the table states.
		t.Run(name, func(t *testing.T) {
			t.Run("running", func(t *testing.T) {
				cfg := &Config{Path: filepath.Join(t.TempDir(), "requests.jsonl")}
				consume(t, started(t, cfg), append(tt.before, tt.after...)...)
				assert.ElementsMatch(t, tt.want, eventIDs(t, read(t, cfg.Path)))
			})
			t.Run("restarted", func(t *testing.T) {
				cfg := &Config{Path: filepath.Join(t.TempDir(), "requests.jsonl")}
				stopped(t, cfg, tt.before...)
				consume(t, started(t, cfg), tt.after...)
				assert.ElementsMatch(t, tt.want, eventIDs(t, read(t, cfg.Path)))
			})
		})
	}
}

// Nothing says that such a run could be in the files, but that it is there.
func TestARunOfBeforeTheClockWasSetBack(t *testing.T) {
	cfg := &Config{Path: filepath.Join(t.TempDir(), "requests.jsonl")}
	run := futureRun()
	stopped(t, cfg, told("a", run, 1, 3))
	consume(t, started(t, cfg), told("a", run, 2, 4))
	assert.Equal(t, ids(run, 1, 4), eventIDs(t, read(t, cfg.Path)))
}

func both(a, b plog.Logs) plog.Logs {
	b.ResourceLogs().MoveAndAppendTo(a.ResourceLogs())
	return a
}

func TestDocumentsOfAnotherMakingAreKept(t *testing.T) {
	for _, id := range []string{
		"", "7", "a-b", firstRun, firstRun + "-", firstRun + "-000000000", firstRun + "-00000000001", "01A203752DDF-0000000001",
		"01a203752dd-0000000001", "01a203752ddf_0000000001", strings.Repeat("0", 65) + "-0000000001", firstRun + "-000000000g",
	} {
		logs := told("a", firstRun, 1, 1)
		logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("event.id", id)
		path := filepath.Join(t.TempDir(), "requests.jsonl")
		consume(t, started(t, &Config{Path: path}), logs, logs)
		assert.Equal(t, []string{id, id}, eventIDs(t, read(t, path)), id)
	}
}

func TestWhatIsRememberedSurvivesRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	cfg := &Config{Path: path, Rotation: RotationConfig{MaxMegabytes: 1}}
	const last = 10_000
	var batches []plog.Logs
	for first := 1; first < last; first += 500 {
		batches = append(batches, told("a", firstRun, first, first+499))
	}
	stopped(t, cfg, batches...)
	require.NoError(t, os.Rename(path, strings.Replace(path, ".jsonl", "-20991231T000000.000000000Z.jsonl", 1)), "as a kill amid a rotation leaves it")
	require.Greater(t, len(backups(t, path)), 1)

	consume(t, started(t, cfg), append(batches, told("a", firstRun, last, last+1))...)
	var got []string
	for _, name := range append(backups(t, path), path) {
		got = append(got, eventIDs(t, read(t, name))...)
	}
	assert.Equal(t, ids(firstRun, 1, last+1), got)
}

// filler is a line of another instance that takes n bytes.
func filler(n int) string { return line(1, n) }

func TestARunThatIsFarBackIsSearchedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	cfg := &Config{Path: path}
	stopped(t, cfg, told("a", firstRun, 1, 3))
	handle, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	for range startBytes/megabyte + 1 {
		_, err := handle.WriteString(filler(megabyte))
		require.NoError(t, err)
	}
	require.NoError(t, handle.Close())
	stopped(t, cfg, told("a", secondRun, 1, 1))

	logs := started(t, cfg)
	consume(t, logs, told("a", firstRun, 1, 4), told("a", secondRun, 1, 2))
	content := read(t, path)
	for _, id := range append(ids(firstRun, 1, 4), ids(secondRun, 1, 2)...) {
		assert.Equal(t, 1, strings.Count(content, id), id)
	}
}

func TestOnlyRunsOfBeforeTheStartAreSearchedFor(t *testing.T) {
	var searched []string
	m := newMemory(time.Now())
	m.search = func(run string) { searched = append(searched, run) }
	assert.False(t, m.isRepeated("a", eventID(futureRun(), 1)))
	assert.Empty(t, searched)
	for range 2 {
		m.isRepeated("a", eventID(firstRun, 1))
	}
	assert.Equal(t, []string{firstRun}, searched, "once")
	for i := range 2 * maxSearches {
		assert.False(t, m.isRepeated("a", eventID(fmt.Sprintf("%020x", i), 1)))
	}
	assert.Len(t, searched, maxSearches)
}

func TestTheMemoryIsBounded(t *testing.T) {
	m := newMemory(time.Time{})
	for i := range 2 * maxRuns {
		require.False(t, m.isRepeated("a", eventID(fmt.Sprintf("%020x", i), 1)))
		require.Equal(t, i > 0, m.isRepeated("often", eventID(firstRun, 1)))
		m.commit()
	}
	assert.Len(t, m.runs, maxRuns)
	assert.True(t, m.isRepeated("a", eventID(fmt.Sprintf("%020x", 2*maxRuns-1), 1)))
}

func TestTheWindow(t *testing.T) {
	w := new(window)
	for _, number := range []uint64{5, 7, windowSize, windowSize + 6, 5 * windowSize, 5*windowSize - 1} {
		assert.False(t, w.has(number), number)
		w.add(number)
		assert.True(t, w.has(number), number)
	}
	assert.False(t, w.has(5*windowSize-2))
	assert.True(t, w.has(4*windowSize), "too late to be told from its copy")
	assert.False(t, w.has(4*windowSize+1))
	w.add(3)
	assert.Equal(t, uint64(5*windowSize), w.highest)

	inOrder := new(window)
	for number := range uint64(3 * windowSize) {
		require.False(t, inOrder.has(number))
		inOrder.add(number)
		require.True(t, inOrder.has(number))
	}
	for number := range uint64(3 * windowSize) {
		require.True(t, inOrder.has(number))
	}
}

func TestRepeatedDocumentsAreCounted(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.Background())) })
	set := settings()
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	logs, err := NewFactory().CreateLogs(t.Context(), set, &Config{Path: filepath.Join(t.TempDir(), "requests.jsonl")})
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, logs.Shutdown(context.Background())) })
	consume(t, logs, told("a", firstRun, 1, 3), told("a", firstRun, 2, 4), told("a", firstRun, 4, 4))

	metric, err := telemetry.GetMetric("otelcol_exporter_jsonlines_repeated_documents")
	require.NoError(t, err)
	points := metric.Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, points, 1)
	assert.Equal(t, int64(3), points[0].Value)
}
