// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/session"
)

// keptEngine is an engine that keeps what it knows in dir.
func keptEngine(t *testing.T, dir string, change func(*Settings)) *Engine {
	t.Helper()
	j, err := journal.Open(filepath.Join(dir, "journal"), 64<<20, zap.NewNop())
	require.NoError(t, err)
	return newEngine(t, func(s *Settings) {
		s.Journal, s.Dir = j, dir
		s.Settle, s.Join.Egress, s.Join.Memory = 100*time.Millisecond, true, time.Hour
		s.Sessions = session.Settings{IdleGap: 200 * time.Millisecond, MaxDuration: time.Hour, MaxOpen: 100}
		change(s)
	})
}

// crash copies what a process that is killed now leaves behind. The journal comes
// last, as nothing kept elsewhere is ahead of it.
func crash(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"checkpoint", "cursors"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			require.NoError(t, os.WriteFile(filepath.Join(to, name), data, 0o600))
		}
	}
	require.NoError(t, os.Mkdir(filepath.Join(to, "journal"), 0o700))
	segments, err := os.ReadDir(filepath.Join(dir, "journal"))
	require.NoError(t, err)
	for _, segment := range segments {
		data, err := os.ReadFile(filepath.Join(dir, "journal", segment.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the next segment, which gets its name when it is made whole
		}
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, "journal", segment.Name()), data, 0o600))
	}
	return to
}

// byID is what the log says of each exchange.
func byID(t *testing.T, all []plog.Logs) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, l := range all {
		for _, r := range l.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			attributes := r.Attributes().AsRaw()
			id, _ := attributes["event.id"].(string)
			require.Empty(t, out[id], "told once in a run")
			out[id] = fmt.Sprint(r.Timestamp(), " trace:", r.TraceID(), " span:", r.SpanID(), " ", attributes)
		}
	}
	return out
}

// TestACrashLosesNothing kills an engine, by a copy of what it kept, at six
// instants under load. What the next run tells and what the cursor says to be
// told are together every exchange, each with one id and one content, and the
// counts go on where they were.
func TestACrashLosesNothing(t *testing.T) {
	dir := t.TempDir()
	logs, metrics := new(consumertest.LogsSink), new(consumertest.MetricsSink)
	first := keptEngine(t, dir, func(s *Settings) { s.Consumers = Consumers{Logs: logs, Metrics: metrics} })
	first.Start()

	stop := make(chan struct{})
	var clients sync.WaitGroup
	end := sync.OnceFunc(func() {
		close(stop)
		clients.Wait()
		first.Shutdown(context.Background())
	})
	t.Cleanup(end)
	for c := range 4 {
		clients.Go(func() {
			ours := exchange.Session{ID: exchange.TraceID{byte(c + 1)}, Inferred: true, Root: exchange.SpanID{byte(c + 1)}}
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				in := &exchange.Begin{Method: "GET", Path: fmt.Sprintf("/example.com/m%d/@v/v1.0.%d.mod", c, i%50), Scheme: "http", Session: ours}
				in.Span = session.Continue(exchange.Span{})
				first.Begin(in)
				out := &exchange.Begin{Method: "GET", Side: exchange.Egress, Path: in.Path, Scheme: "http", Session: ours, Cause: in.Span.SpanID}
				out.Span = session.Continue(in.Span)
				if i%50 == i {
					first.Begin(out)
					time.Sleep(time.Duration(i%5) * time.Millisecond)
					first.End(out, &exchange.End{FirstByte: first.Now(), Status: 200})
				}
				time.Sleep(time.Millisecond)
				first.End(in, &exchange.End{FirstByte: first.Now(), Status: 200})
			}
		})
	}
	require.Eventually(t, func() bool { return len(metrics.AllMetrics()) > 0 }, time.Minute, 10*time.Millisecond, "something is shown")
	var killed []killedRun
	for range 6 {
		time.Sleep(230 * time.Millisecond)
		all := metrics.AllMetrics()
		killed = append(killed, killedRun{
			told: byID(t, logs.AllLogs()), shown: count(all[len(all)-1], "http.server.request.duration"), dir: crash(t, dir),
		})
	}
	end()
	told := byID(t, logs.AllLogs())

	for i, k := range killed {
		again, counted := new(consumertest.LogsSink), new(consumertest.MetricsSink)
		second := keptEngine(t, k.dir, func(s *Settings) { s.Consumers = Consumers{Logs: again, Metrics: counted} })
		cursor := fmt.Sprintf("%010x", second.keeper.cursors.slots[logsSignal].seq)
		second.Start()
		second.Shutdown(context.Background())

		retold, all := byID(t, again.AllLogs()), make(map[string]string)
		for id, record := range k.told {
			if number(id) > cursor {
				assert.Equal(t, record, retold[id], "what is told again is told the same")
			}
		}
		for id, record := range told {
			if number(id) <= cursor { // it may have been told while what was kept was copied
				all[id] = record
			}
		}
		for id, record := range retold {
			assert.Greater(t, number(id), cursor, "what the cursor has passed isn't told again")
			all[id] = record
		}
		var interrupted, ingress uint64
		spans := make(map[string]string)
		for id, record := range all {
			assert.Empty(t, spans[span(record)], "each exchange has one id")
			spans[span(record)] = id
			if strings.Contains(record, "goproxy.side:ingress") {
				ingress++
			}
			if strings.Contains(record, "goproxy.outcome:interrupted") {
				interrupted++
			}
		}
		assert.LessOrEqual(t, interrupted, uint64(8), "those in flight")
		snapshots := counted.AllMetrics()
		assert.Equal(t, ingress, count(snapshots[len(snapshots)-1], "http.server.request.duration"), "counted is what is told")
		assert.GreaterOrEqual(t, count(snapshots[0], "http.server.request.duration"), k.shown, "no series goes back")
		t.Logf("crash %d: %d told before, %d after it, %d in flight", i, len(all)-len(retold), len(retold), interrupted)
	}
}

// killedRun is what was told when a run was killed, and where what it kept is.
type killedRun struct {
	told  map[string]string // by event.id
	shown uint64
	dir   string
}

// number is the part of an event.id that rises.
// TestAKillBeforeTheFirstCheckpoint: what the next run emits again, as the cursor wasn't
// moved yet, has the ids that it had.
func TestAKillBeforeTheFirstCheckpoint(t *testing.T) {
	dir := t.TempDir()
	traces, logs := new(consumertest.TracesSink), new(consumertest.LogsSink)
	first := keptEngine(t, dir, func(s *Settings) { s.Consumers = Consumers{Traces: traces, Logs: logs} })
	early := crash(t, dir)
	first.Start()
	for range 3 {
		request(first, exchange.Hit)
	}
	require.Eventually(t, func() bool { return logs.LogRecordCount() == 3 && traces.SpanCount() == 3 }, time.Minute, time.Millisecond)
	first.Shutdown(context.Background())
	left := crash(t, dir)
	require.NoError(t, os.Rename(filepath.Join(early, "checkpoint"), filepath.Join(left, "checkpoint")))
	cursors, err := os.OpenFile(filepath.Join(left, "cursors"), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = cursors.WriteAt(make([]byte, slotSize), slotSize) // that of the logs
	require.NoError(t, errors.Join(err, cursors.Close()))

	again := new(consumertest.LogsSink)
	second := keptEngine(t, left, func(s *Settings) { s.Consumers = Consumers{Traces: new(consumertest.TracesSink), Logs: again} })
	second.Start()
	second.Shutdown(context.Background())
	assert.Equal(t, byID(t, logs.AllLogs()), byID(t, again.AllLogs()))
}

func number(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }

// span is a record's span id.
func span(record string) string {
	_, rest, _ := strings.Cut(record, "span:")
	return strings.Fields(rest)[0]
}

// TestABatchEndsAmongWhatOneRecordSettles lets one record, the next run's start,
// settle more than a batch holds, where no checkpoint was made yet: only the place
// in the journal says what was told. Wherever a run is killed meanwhile, nothing is
// lost and nothing told twice.
func TestABatchEndsAmongWhatOneRecordSettles(t *testing.T) {
	for _, n := range []int{maxBatch - 1, maxBatch, maxBatch + 1, 2*maxBatch + 7, 5 * maxBatch} {
		for kill := range (n + maxBatch - 1) / maxBatch {
			t.Run(fmt.Sprintf("%d exchanges, killed after %d batches", n, kill), func(t *testing.T) {
				dir := t.TempDir()
				first := keptEngine(t, dir, func(s *Settings) { s.Consumers.Logs = new(consumertest.LogsSink) })
				first.settings.Journal.Append(exchange.AppendStart(nil, exchange.Start{Time: first.now(), Run: first.run}))
				for range n {
					first.Begin(&exchange.Begin{Method: "GET", Path: zipPath, Scheme: "http", Span: session.Continue(exchange.Span{})})
				}
				left := crash(t, dir)
				first.Shutdown(context.Background())

				told, killed := new(consumertest.LogsSink), ""
				some, err := consumer.NewLogs(func(ctx context.Context, l plog.Logs) error {
					if len(told.AllLogs()) < kill {
						return told.ConsumeLogs(ctx, l)
					}
					if killed == "" {
						killed = crash(t, left)
					}
					return consumererror.NewPermanent(errors.New("this run is over"))
				})
				require.NoError(t, err)
				second := keptEngine(t, left, func(s *Settings) { s.Consumers.Logs = some })
				second.Start()
				second.Shutdown(context.Background())
				require.NotEmpty(t, killed)

				spans := make(map[string]bool)
				for _, record := range byID(t, told.AllLogs()) {
					spans[span(record)] = true
				}
				again := new(consumertest.LogsSink)
				third := keptEngine(t, killed, func(s *Settings) { s.Consumers.Logs = again })
				third.Start()
				third.Shutdown(context.Background())
				for _, record := range byID(t, again.AllLogs()) {
					assert.False(t, spans[span(record)], "told once")
					spans[span(record)] = true
				}
				assert.Equal(t, n, len(spans), "told in all") //nolint:testifylint // Len prints them all
			})
		}
	}
}

// TestDamageTellsNothingTwice damages the journal that a crash left. What was told
// isn't told again, ids are never given twice, and the counters begin anew rather
// than go back.
func TestDamageTellsNothingTwice(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, seed))
		dir := t.TempDir()
		logs, metrics := new(consumertest.LogsSink), new(consumertest.MetricsSink)
		first := keptEngine(t, dir, func(s *Settings) { s.Consumers = Consumers{Logs: logs, Metrics: metrics} })
		first.Start()
		for range 300 {
			request(first, exchange.Hit)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		left := crash(t, dir)
		first.Shutdown(context.Background())

		segments, err := filepath.Glob(filepath.Join(left, "journal", "*"))
		require.NoError(t, err)
		for _, path := range segments {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			for range 10 {
				data[random.IntN(100_000)]++
			}
			require.NoError(t, os.WriteFile(path, data, 0o600))
		}
		again, counted := new(consumertest.LogsSink), new(consumertest.MetricsSink)
		second := keptEngine(t, left, func(s *Settings) { s.Consumers = Consumers{Logs: again, Metrics: counted} })
		cursor := fmt.Sprintf("%010x", second.keeper.cursors.slots[logsSignal].seq)
		second.Start()
		request(second, exchange.Hit)
		second.Shutdown(context.Background())

		spans := make(map[string]string)
		for id, record := range byID(t, logs.AllLogs()) {
			if number(id) <= cursor {
				spans[span(record)] = id
			}
		}
		before := len(spans)
		retold := byID(t, again.AllLogs())
		for id, record := range retold {
			assert.Greater(t, number(id), cursor, "no id is given twice")
			assert.Empty(t, spans[span(record)], "nothing is told twice")
		}
		assert.NotEmpty(t, retold, "what comes after the damage is told")
		a, b := metrics.AllMetrics(), counted.AllMetrics()
		was, is := a[len(a)-1], b[len(b)-1]
		if !started(is).After(started(was)) {
			assert.GreaterOrEqual(t, count(is, "http.server.request.duration"), uint64(before), "no series goes back")
		}
		t.Logf("seed %d: %d told before, %d after, counters anew: %t", seed, before, len(retold), started(is).After(started(was)))
	}
}
