// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

// The log of the crash test: builds of five requests each, by clients who come back.
const (
	requests = 5
	clients  = 200
)

// extent is how many builds the log has, and how often its reader is killed.
func extent() (builds, kills int) {
	if os.Getenv("MODTAP_KILLS") == "full" {
		return 40_000, 20
	}
	return 4000, 4
}

// logged is when it begins.
var logged = time.Date(time.Now().Year()-1, 3, 1, 0, 0, 0, 0, time.UTC)

// writeLog writes it.
func writeLog(t *testing.T, path string, builds int) {
	t.Helper()
	var out bytes.Buffer
	at := logged
	for build := range builds {
		for request := range requests {
			at = at.Add(time.Millisecond)
			fmt.Fprintf(&out, "%s 1ms 10.0.0.%d GET /example.com/m/@v/v%d.%d.0.zip 200 10\n", at.Format(time.RFC3339Nano), build%clients, build, request)
		}
		at = at.Add(100 * time.Millisecond) // the client's next build is 20 s away
	}
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
}

// ending is a log that closes done when it is read to its end.
type ending struct {
	*os.File
	once sync.Once
	done chan struct{}
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.File.Read(p)
	if err == io.EOF {
		e.once.Do(func() { close(e.done) })
	}
	return n, err
}

// TestReader isn't a test, but the process that the crash test kills.
func TestReader(t *testing.T) {
	dir := os.Getenv("MODTAP_TEST_LINES")
	if dir == "" {
		t.Skip("only the crash test runs it")
	}
	file, err := os.Open(filepath.Join(dir, "access.log"))
	require.NoError(t, err)
	defer file.Close()
	log := &ending{File: file, done: make(chan struct{})}
	factory := NewLinesFactory(log)
	cfg := factory.CreateDefaultConfig().(*LinesConfig)
	cfg.Path, cfg.DataDir = "access.log", dir
	ctx, set, host := context.Background(), receivertest.NewNopSettings(factory.Type()), componenttest.NewNopHost()
	set.ID = component.NewID(factory.Type())

	spans, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		var out strings.Builder
		for _, s := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			path, _ := s.Attributes().Get("url.path")
			fmt.Fprintf(&out, "%s %s %s\n", s.TraceID(), s.SpanID(), path.Str())
		}
		return write(dir, "spans", out.String())
	})
	require.NoError(t, err)
	documents, err := consumer.NewLogs(func(_ context.Context, ld plog.Logs) error {
		var out strings.Builder
		for _, r := range ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			id, _ := r.Attributes().Get("event.id")
			path, _ := r.Attributes().Get("url.path")
			session, _ := r.Attributes().Get("goproxy.session.id")
			fmt.Fprintf(&out, "%s %s %s %s\n", id.Str(), path.Str(), session.Str(), r.Timestamp().AsTime().Format(time.RFC3339Nano))
		}
		return write(dir, "documents", out.String())
	})
	require.NoError(t, err)
	counts, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if m.Name() != "goproxy.module.requests" {
				continue
			}
			var sum int64
			for _, p := range m.Sum().DataPoints().All() {
				sum += p.IntValue()
			}
			return write(dir, "counts", fmt.Sprintln(sum))
		}
		return nil
	})
	require.NoError(t, err)

	ofTraces, err := factory.CreateTraces(ctx, set, cfg, spans)
	require.NoError(t, err)
	ofLogs, err := factory.CreateLogs(ctx, set, cfg, documents)
	require.NoError(t, err)
	ofMetrics, err := factory.CreateMetrics(ctx, set, cfg, counts)
	require.NoError(t, err)
	for _, signal := range []component.Component{ofTraces, ofLogs, ofMetrics} {
		require.NoError(t, signal.Start(ctx, host))
	}
	<-log.done
	require.NoError(t, ofTraces.Shutdown(ctx))
}

// write appends a batch to what the test reads. A kill can cut it short.
func write(dir, name, batch string) error {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString("\n" + strings.ReplaceAll(batch, "\n", ";\n"))
	return err
}

// read returns each line that was written, with how often.
func read(t *testing.T, dir, name string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	found := make(map[string]int)
	for line := range strings.SplitSeq(string(text), "\n") {
		if whole, ok := strings.CutSuffix(line, ";"); ok {
			found[whole]++
		}
	}
	return found
}

// TestKilledWhileItReads: whenever the process is killed, each line becomes one document,
// one span and one count; a batch that was accepted just before may be handed over again,
// under the same ids. The sessions are those of a reading without a kill.
func TestKilledWhileItReads(t *testing.T) {
	dir := t.TempDir()
	builds, kills := extent()
	writeLog(t, filepath.Join(dir, "access.log"), builds)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	t.Log("seed", seed)
	for killed := range kills { // each a bit further on
		part := size(dir, "access.log") / int64(kills)
		reader := startReader(t, dir)
		require.Eventually(t, func() bool { return size(dir, "documents") > part*int64(killed) }, 2*time.Minute, time.Millisecond)
		time.Sleep(time.Duration(random.IntN(20_000)) * time.Microsecond)
		_ = reader.Process.Kill()
		_ = reader.Wait()
	}
	total, all := strconv.Itoa(builds*requests), false
	for range 10 { // a stop waits for no more than 5 s
		reader := startReader(t, dir)
		require.NoError(t, reader.Wait(), reader.Stdout)
		all = len(read(t, dir, "documents")) >= builds*requests && len(read(t, dir, "spans")) >= builds*(requests+1) && read(t, dir, "counts")[total] > 0
		if all {
			break
		}
	}
	assert.True(t, all, "something is missing")

	ids, paths, sessions := make(map[string]bool), make(map[string]string), make(map[string]string)
	for line := range read(t, dir, "documents") {
		var id, path, session, at string
		_, err := fmt.Sscan(line, &id, &path, &session, &at)
		require.NoError(t, err, line)
		require.False(t, ids[id] || paths[path] != "", "%s has an id, or is of a line, of another document", line)
		ids[id], paths[path] = true, session
		build := strings.Split(path, ".")[1]
		require.Contains(t, []string{"", session}, sessions[build], "a build is one session")
		sessions[build] = session
		require.True(t, strings.HasPrefix(at, logged.Format("2006-")), at)
	}
	assert.Len(t, paths, builds*requests)
	assert.Len(t, sessions, builds)

	roots, spans := make(map[string]bool), make(map[string]bool)
	for line := range read(t, dir, "spans") {
		trace, rest, _ := strings.Cut(line, " ")
		_, path, _ := strings.Cut(rest, " ")
		if path == "" {
			require.False(t, roots[trace], "one root of a session")
			roots[trace] = true
			continue
		}
		require.False(t, spans[path], "one span of a line: %s", line)
		require.Equal(t, paths[path], trace)
		spans[path] = true
	}
	assert.Len(t, spans, builds*requests)
	assert.Len(t, roots, builds)
}

// startReader starts the process that reads the log.
func startReader(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	reader := exec.Command(os.Args[0], "-test.run=^TestReader$")
	reader.Env = append(os.Environ(), "MODTAP_TEST_LINES="+dir)
	reader.Stdout = new(bytes.Buffer)
	reader.Stderr = reader.Stdout
	require.NoError(t, reader.Start())
	return reader
}

func size(dir, name string) int64 {
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		return 0
	}
	return info.Size()
}
