// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/signal"
)

// readerDir names the folder of a child that reads a log until it is killed.
const readerDir = "MODTAP_TEST_READER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(readerDir); dir != "" {
		if err := readLog(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// The log has bursts of one client each, which are sessions of their own.
const (
	logLines = 12_000
	burst    = 40
)

func logLine(n int) line {
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 20 * time.Millisecond)
	l := line{client: fmt.Sprintf("10.0.0.%d", n/burst%5), begin: at, end: at.Add(15 * time.Millisecond), path: fmt.Sprintf("/example.com/m/@v/v1.0.%d.zip", n)}
	if n%10 == 3 {
		l.status = 404
	}
	return l
}

// readLog reads the log from where its mark says, slowly. What is emitted goes to a file.
func readLog(dir string) error {
	emitted, err := os.OpenFile(filepath.Join(dir, "emitted"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	logs, err := consumer.NewLogs(func(_ context.Context, l plog.Logs) error {
		var out bytes.Buffer
		for _, r := range l.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			a := r.Attributes().AsRaw()
			fmt.Fprintln(&out, "line", a["event.id"], a["url.path"], r.TraceID(), r.Timestamp().AsTime().UnixNano())
		}
		_, err := emitted.Write(out.Bytes())
		return err
	})
	if err != nil {
		return err
	}
	traces, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		var out bytes.Buffer
		sessions, _ := roots([]ptrace.Traces{td})
		for _, s := range sessions {
			n, _ := s.Attributes().Get("goproxy.session.requests")
			fmt.Fprintln(&out, "session", s.SpanID(), s.TraceID(), n.Int())
		}
		_, err := emitted.Write(out.Bytes())
		return err
	})
	if err != nil {
		return err
	}
	kept, err := journal.Open(filepath.Join(dir, "journal"), 1<<20, zap.NewNop())
	if err != nil {
		return err
	}
	settings := session.Settings{IdleGap: time.Second, MaxDuration: time.Hour, MaxOpen: 100}
	e, err := New(Settings{
		Resource: signal.Resource{ServiceName: "proxy", InstanceID: "i"}, Clock: Watermark, Journal: kept, Dir: dir, Hold: time.Hour,
		Settle: 500 * time.Millisecond, Join: cache.JoinSettings{Egress: true, Memory: time.Hour},
		Sessions: settings, Table: session.NewTable(settings, []byte("secret")),
		Consumers: Consumers{Logs: logs, Traces: traces}, Telemetry: componenttest.NewNopTelemetrySettings(),
	})
	if err != nil {
		return err
	}
	e.Start()
	ctx := context.Background()
	s, err := e.Source(ctx, "access.log")
	if err != nil {
		return err
	}
	next := 0
	if mark := s.Mark(); mark != nil {
		last, err := strconv.Atoi(string(mark))
		if err != nil {
			return err
		}
		next = last + 1
	}
	fmt.Println("from", next)
	for ; next < logLines; next++ {
		if err := logLine(next).tell(ctx, s, next); err != nil {
			return err
		}
		if next%20 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	s.Finish()
	e.Shutdown(ctx)
	return emitted.Close()
}

// TestALogIsReadOnceHoweverOftenTheReaderDies: each of its lines is one record with one
// id, and each session is what it is without a kill, summed up once.
func TestALogIsReadOnceHoweverOftenTheReaderDies(t *testing.T) {
	dir := t.TempDir()
	kills, random := 0, rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))
	for done := false; !done; {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), readerDir+"="+dir)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		said := bufio.NewScanner(out)
		require.True(t, said.Scan(), "it starts")
		t.Log(said.Text())
		if kills++; kills <= 12 {
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
			_ = child.Process.Kill()
		}
		for said.Scan() {
			t.Log(said.Text())
		}
		done = child.Wait() == nil
		require.True(t, done || kills <= 12)
	}

	ids, traces := make(map[string]string), make(map[string]int) // by path; lines of a trace
	sessions := make(map[string]string)                          // the root of a trace
	data, err := os.ReadFile(filepath.Join(dir, "emitted"))
	require.NoError(t, err)
	repeated := 0
	for row := range strings.Lines(string(data)) {
		f := strings.Fields(row)
		if f[0] == "session" {
			require.Contains(t, []string{"", f[1]}, sessions[f[2]], "summed up once")
			sessions[f[2]] = f[1]
			require.Equal(t, strconv.Itoa(burst), f[3])
			continue
		}
		if known := ids[f[2]]; known != "" {
			require.Equal(t, known, f[1], "%s is one record", f[2])
			repeated++
			continue
		}
		ids[f[2]] = f[1]
		traces[f[3]]++
		n := 0
		_, err := fmt.Sscanf(f[2], "/example.com/m/@v/v1.0.%d.zip", &n)
		require.NoError(t, err)
		require.Equal(t, strconv.FormatInt(logLine(n).begin.UnixNano(), 10), f[4])
	}
	assert.Len(t, ids, logLines)
	assert.Len(t, sessions, logLines/burst)
	for trace, n := range traces {
		require.Equal(t, burst, n)
		require.NotEmpty(t, sessions[trace])
	}
	unique := make(map[string]bool)
	for _, id := range ids {
		unique[id] = true
	}
	assert.Len(t, unique, logLines)
	t.Logf("%d runs, %d repeated with their ids", kills, repeated)
}
