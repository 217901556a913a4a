// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

// bare is a Modtap whose streams are the test's to break: nothing that it prints is needed to find it.
type bare struct {
	tb     testing.TB
	cmd    *exec.Cmd
	proxy  string
	health string
	exited chan struct{}
	err    error
}

// startBare starts modtap in a data directory with these variables. prepare gives it its streams.
func startBare(tb testing.TB, data string, env []string, prepare func(*exec.Cmd)) *bare {
	tb.Helper()
	b := &bare{tb: tb, proxy: port.Address(tb), health: port.Address(tb), exited: make(chan struct{})}
	b.cmd = command(data, append([]string{"MODTAP_LISTEN=" + b.proxy, "MODTAP_HEALTH_LISTEN=" + b.health}, env...))
	prepare(b.cmd)
	require.NoError(tb, b.cmd.Start())
	go func() {
		b.err = b.cmd.Wait()
		close(b.exited)
	}()
	tb.Cleanup(func() {
		_ = b.cmd.Process.Kill() // it may have ended
		<-b.exited
	})
	require.Eventually(tb, func() bool {
		a := <-getting("http://" + b.health + "/ready")
		return a.status == http.StatusOK
	}, time.Minute, 10*time.Millisecond, "modtap is ready")
	return b
}

// download asks for a file n times and wants each.
func (b *bare) download(n int) {
	b.tb.Helper()
	for range n {
		status, _ := get(b.tb, "http://"+b.proxy+"/example.com/m/@v/v1.0.0.mod")
		require.Equal(b.tb, http.StatusOK, status)
	}
}

// fault waits until /healthy names a part, and returns the error.
func (b *bare) fault(part string) (text string) {
	b.tb.Helper()
	m := &modtap{tb: b.tb, output: new(lines)}
	_, _ = io.WriteString(m.output, " health http://"+b.health+"\n")
	require.Eventually(b.tb, func() bool { text = m.broken()[part]; return text != "" }, time.Minute, 50*time.Millisecond, "/healthy names %s", part)
	return text
}

// endWithin bounds a stop.
const endWithin = 15 * time.Second

// terminate wants an orderly end within a bound.
func (b *bare) terminate() {
	b.tb.Helper()
	begun := time.Now()
	require.NoError(b.tb, b.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-b.exited:
		require.NoError(b.tb, b.err)
		b.tb.Logf("ended %v after SIGTERM", time.Since(begun).Round(time.Millisecond))
	case <-time.After(endWithin):
		b.tb.Fatalf("no end within %v of SIGTERM", endWithin)
	}
}

// pipe returns the two ends of one, closed with the test.
func pipe(tb testing.TB) (read, write *os.File) {
	tb.Helper()
	read, write, err := os.Pipe()
	require.NoError(tb, err)
	tb.Cleanup(func() { read.Close(); write.Close() })
	return read, write
}

// full fills a pipe that nobody drains.
func full(tb testing.TB, write *os.File) {
	tb.Helper()
	require.NoError(tb, write.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
	for {
		if _, err := write.Write(make([]byte, 1<<10)); err != nil {
			require.ErrorIs(tb, err, os.ErrDeadlineExceeded)
			return
		}
	}
}

// eventIDs counts the ids of the whole documents in a text.
func eventIDs(tb testing.TB, text io.Reader, into map[string]int) {
	tb.Helper()
	for s := bufio.NewScanner(text); s.Scan(); {
		var d document
		if line := bytes.Trim(s.Bytes(), "\x00"); json.Unmarshal(line, &d) == nil && d.Goproxy.Side == "ingress" {
			into[d.Event.ID]++
		}
	}
}

func streamOrigin(t *testing.T) *origin {
	t.Helper()
	o := newOrigin(t)
	o.add(t, "example.com/m", 10)
	return o
}

// TestStreamsWithoutReader: who reads standard error or output goes away.
func TestStreamsWithoutReader(t *testing.T) {
	o := streamOrigin(t)
	t.Run("case 27: standard error", func(t *testing.T) {
		read, write := pipe(t)
		b := startBare(t, t.TempDir(), append(o.goproxy(), "MODTAP_JAEGER="+refused(t)), func(cmd *exec.Cmd) { cmd.Stderr = write })
		read.Close()
		b.download(3) // what is exported fails, and that is said
		assert.Contains(t, b.fault("service::telemetry::logs"), "broken pipe")
		b.download(3)
		b.terminate()
	})
	t.Run("case 27: standard output", func(t *testing.T) {
		read, write := pipe(t)
		data := t.TempDir()
		b := startBare(t, data, append(o.goproxy(), "MODTAP_LOG=-"), func(cmd *exec.Cmd) { cmd.Stdout = write })
		read.Close()
		b.download(5)
		assert.Contains(t, b.fault("exporters::jsonlines"), "broken pipe")
		b.download(5)
		b.terminate()
		wantAll(t, o, data, nil, 10)
	})
	t.Run("case 27: both, from the start", func(t *testing.T) {
		b := startBare(t, t.TempDir(), append(o.goproxy(), "MODTAP_LOG=-"), func(cmd *exec.Cmd) {
			read, write := pipe(t)
			read.Close()
			cmd.Stdout, cmd.Stderr = write, write
		})
		b.download(5)
		assert.Contains(t, b.fault("exporters::jsonlines"), "broken pipe")
		assert.Contains(t, b.fault("service::telemetry::logs"), "broken pipe")
		b.terminate()
	})
	t.Run("case 27: closed at the start", func(t *testing.T) {
		data := t.TempDir()
		b := startBare(t, data, o.goproxy(), func(cmd *exec.Cmd) {
			cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", `exec "$0" <&- >&- 2>&-`, binary}
		})
		b.download(5)
		b.terminate()
		wantAll(t, o, data, nil, 5)
		for _, file := range []string{"requests.jsonl", "goproxy/cursors"} { // neither has become a stream of the process
			text, err := os.ReadFile(filepath.Join(data, file))
			require.NoError(t, err)
			assert.NotContains(t, string(text), "modtap ")
		}
	})
}

// wantAll starts Modtap again with a log that works, and wants n exchanges in what was written before and in this log
// together, each once.
func wantAll(t *testing.T, o *origin, data string, before io.Reader, n int) {
	t.Helper()
	path := filepath.Join(data, "requests.jsonl")
	found := map[string]int{}
	if before != nil {
		eventIDs(t, before, found)
	}
	b := startBare(t, data, append(o.goproxy(), "MODTAP_LOG="+path), func(*exec.Cmd) {})
	assert.Eventually(t, func() bool {
		all := maps.Clone(found)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		eventIDs(t, bytes.NewReader(text), all)
		for id, times := range all {
			require.Equal(t, 1, times, "times of %s", id)
		}
		return len(all) == n
	}, time.Minute, 100*time.Millisecond, "%d exchanges", n)
	b.terminate()
}

// TestSinkThatNobodyDrains: whatever takes the log may block or break. Downloads go on, the fault is named, a stop is
// bounded, and what wasn't written waits for the next start.
func TestSinkThatNobodyDrains(t *testing.T) {
	o := streamOrigin(t)
	const n = 300 // a pipe holds some seventy documents
	fifo := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "fifo")
		require.NoError(t, syscall.Mkfifo(path, 0o600))
		return path
	}
	for _, tt := range []struct {
		name string
		log  func(*testing.T) string
		text string
	}{
		{"standard output", func(*testing.T) string { return "-" }, "nobody reads"},
		{"/dev/stdout", func(*testing.T) string { return "/dev/stdout" }, "nobody reads"},
		{"link to /dev/stdout", func(t *testing.T) string {
			link := filepath.Join(t.TempDir(), "requests.log")
			require.NoError(t, os.Symlink("/dev/stdout", link))
			return link
		}, "nobody reads"},
		{"named pipe", fifo, "nobody reads"},
		{"link to a named pipe", func(t *testing.T) string {
			link := filepath.Join(t.TempDir(), "requests.log")
			require.NoError(t, os.Symlink(fifo(t), link))
			return link
		}, "nobody reads"},
		{"full device", func(*testing.T) string { return "/dev/full" }, "no space left"},
	} {
		t.Run("case 28: "+tt.name, func(t *testing.T) {
			t.Parallel()
			read, write := pipe(t)
			data, log := t.TempDir(), tt.log(t)
			var held *os.File
			if strings.Contains(tt.name, "named pipe") { // what it holds is gone when nobody has it open
				var err error
				held, err = os.OpenFile(log, os.O_RDWR, 0)
				require.NoError(t, err)
				defer held.Close()
			}
			b := startBare(t, data, append(o.goproxy(), "MODTAP_LOG="+log), func(cmd *exec.Cmd) { cmd.Stdout = write })
			b.download(n)
			assert.Contains(t, b.fault("exporters::jsonlines"), tt.text)
			b.download(1)
			b.terminate()
			write.Close()
			var before bytes.Buffer
			from := read
			if held != nil {
				from = held
				require.NoError(t, held.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
			}
			_, _ = io.Copy(&before, from)
			// The last line may be cut: its document comes again.
			whole := before.Bytes()[:bytes.LastIndexByte(before.Bytes(), '\n')+1]
			if held != nil || before.Len() > 0 {
				assert.NotEmpty(t, whole)
			}
			missing(t, o, data, whole, n+1)
		})
	}
}

// missing is wantAll where what was written before may come again.
func missing(t *testing.T, o *origin, data string, before []byte, n int) {
	t.Helper()
	path := filepath.Join(data, "requests.jsonl")
	b := startBare(t, data, append(o.goproxy(), "MODTAP_LOG="+path), func(*exec.Cmd) {})
	assert.Eventually(t, func() bool {
		found := map[string]int{}
		eventIDs(t, bytes.NewReader(before), found)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		eventIDs(t, bytes.NewReader(text), found)
		return len(found) == n
	}, time.Minute, 100*time.Millisecond, "%d exchanges", n)
	b.terminate()
}

// TestFaultThatPasses: what the log refused for a while, for want of a reader or of room, and took in the end, is no loss in any
// metric; the same for what waited for the next start.
func TestFaultThatPasses(t *testing.T) {
	o := streamOrigin(t)
	const n = 40
	for _, tt := range []struct {
		name, fault string
		make        func(t *testing.T, log string)
		mend        func(t *testing.T, log string) io.Reader
	}{
		{
			"named pipe that is read late", "start what reads it",
			func(t *testing.T, log string) { require.NoError(t, syscall.Mkfifo(log, 0o600)) },
			func(t *testing.T, log string) io.Reader {
				reader, err := os.OpenFile(log, os.O_RDONLY, 0)
				require.NoError(t, err)
				t.Cleanup(func() { reader.Close() })
				return reader
			},
		},
		{
			"device that is full", "no space left",
			func(t *testing.T, log string) { require.NoError(t, os.Symlink("/dev/full", log)) },
			func(t *testing.T, log string) io.Reader {
				require.NoError(t, os.Remove(log))
				require.NoError(t, os.WriteFile(log, nil, 0o600))
				file, err := os.Open(log)
				require.NoError(t, err)
				t.Cleanup(func() { file.Close() })
				return file
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log, metrics := filepath.Join(t.TempDir(), "log"), port.Address(t)
			tt.make(t, log)
			b := startBare(t, t.TempDir(), append(o.goproxy(), "MODTAP_LOG="+log, "MODTAP_METRICS_LISTEN="+metrics), func(*exec.Cmd) {})
			b.download(n)
			assert.Contains(t, b.fault("exporters::jsonlines"), tt.fault)
			time.Sleep(2 * time.Second) // more attempts
			from := bufio.NewReader(tt.mend(t, log))
			found := map[string]int{}
			deadline := time.Now().Add(time.Minute)
			var line []byte
			for len(found) < n {
				part, err := from.ReadBytes('\n')
				line = append(line, part...)
				switch {
				case err == nil:
					eventIDs(t, bytes.NewReader(line), found)
					line = nil
				case errors.Is(err, io.EOF) && time.Now().Before(deadline):
					time.Sleep(20 * time.Millisecond) // a file, in which more comes
				default:
					require.NoError(t, err)
				}
			}
			_, page := get(t, "http://"+metrics+"/metrics")
			for line := range strings.Lines(string(page)) {
				name, _, _ := strings.Cut(line, "{")
				switch name {
				case "otelcol_exporter_dropped_items_total", "otelcol_receiver_exchange_lost_total",
					"otelcol_exporter_send_failed_log_records_total":
					assert.True(t, strings.HasSuffix(line, " 0\n"), line)
				}
			}
			assert.Contains(t, string(page), `otelcol_exporter_dropped_items_total{`)
			b.terminate()
		})
	}
}

// TestStandardErrorThatNobodyDrains: the log of Modtap itself delays neither start, traffic nor stop.
func TestStandardErrorThatNobodyDrains(t *testing.T) {
	o := streamOrigin(t)
	read, write := pipe(t)
	full(t, write)
	b := startBare(t, t.TempDir(), append(o.goproxy(), "MODTAP_JAEGER="+refused(t)), func(cmd *exec.Cmd) { cmd.Stderr = write })
	b.download(20)
	assert.Contains(t, b.fault("service::telemetry::logs"), "nobody reads")
	drained := make(chan string)
	go func() {
		text, _ := io.ReadAll(read)
		drained <- string(text)
	}()
	require.Eventually(t, func() bool {
		a := <-getting("http://" + b.health + "/healthy")
		return !strings.Contains(string(a.body), "service::telemetry::logs")
	}, time.Minute, 50*time.Millisecond, "once somebody reads again it is well")
	b.terminate()
	write.Close()
	assert.Contains(t, <-drained, "export GOPROXY=", "what waited is written")
}

// TestLogPaths: a log that can't be is refused at the start, with the cure.
func TestLogPaths(t *testing.T) {
	dir := t.TempDir()
	link := func(name, to string) string {
		require.NoError(t, os.Symlink(to, filepath.Join(dir, name)))
		return filepath.Join(dir, name)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	for log, want := range map[string]string{
		"stdout":                            `write "-" for standard output`,
		"STDERR":                            `write "-" for standard output`,
		"none":                              "off (as MODTAP_LOG)",
		"/dev/stderr":                       `write "-" for standard output`,
		"/dev/fd/2":                         `write "-" for standard output`,
		link("dir", t.TempDir()):            "is a directory",
		link("round", "round"):              "",
		link("nowhere", "/nonexistent/d/f"): "is a link to /nonexistent/d/f",
		socket:                              "",
	} {
		t.Run("case 34: "+filepath.Base(log), func(t *testing.T) {
			cmd := command(filepath.Join(t.TempDir(), "data"), []string{"MODTAP_LOG=" + log, "MODTAP_EGRESS_UPSTREAM=off"})
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "%s", out)
			assert.Contains(t, string(out), want)
			assert.Contains(t, string(out), "MODTAP_LOG", "%s", out)
			assert.Equal(t, 1, strings.Count(string(out), "\n"), "%s", out)
		})
	}
	_, err = os.Stat("/nonexistent")
	assert.ErrorIs(t, err, os.ErrNotExist, "a link's directory isn't ours to make")
}
