// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/built"
)

// binary is the modtap that the tests run, built as the README says.
var binary string

func TestMain(m *testing.M) { os.Exit(built.Run(m, &binary)) }

// modtap is a running Modtap.
type modtap struct {
	tb      testing.TB
	cmd     *exec.Cmd
	output  *lines
	data    string // MODTAP_DATA
	proxy   string // URLs that it printed
	metrics string // host:port
	log     string // of the requests
	exited  chan struct{}
	err     error
}

// lines collects what a process prints.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// command is a modtap with these variables (NAME=value) and no others of ours,
// on ephemeral ports and in a data directory of its own unless they say otherwise.
func command(data string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MODTAP_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "MODTAP_DATA="+data, "MODTAP_LISTEN=127.0.0.1:0", "MODTAP_METRICS_LISTEN=127.0.0.1:0", "MODTAP_HEALTH_LISTEN=127.0.0.1:0")
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// place is a line of what modtap prints once it runs.
var place = regexp.MustCompile(`(?m)^ +(proxy|metrics|log) +(\S+)`)

// start runs modtap until the test ends and returns once it says where it is.
func start(tb testing.TB, env []string, args ...string) *modtap {
	tb.Helper()
	data := filepath.Join(tb.TempDir(), "data")
	m := &modtap{tb: tb, cmd: command(data, env, args...), output: new(lines), data: data, exited: make(chan struct{})}
	m.cmd.Stdout, m.cmd.Stderr = m.output, m.output
	require.NoError(tb, m.cmd.Start())
	go func() {
		m.err = m.cmd.Wait()
		close(m.exited)
	}()
	tb.Cleanup(func() { m.stop(); m.tellOnFailure() })
	require.Eventually(tb, func() bool {
		select {
		case <-m.exited:
			return true
		default:
			return strings.Contains(m.output.String(), "export GOPROXY=")
		}
	}, time.Minute, 5*time.Millisecond, "modtap says where it is")
	for _, p := range place.FindAllStringSubmatch(m.output.String(), -1) {
		switch p[1] {
		case "proxy":
			m.proxy = p[2]
		case "metrics":
			m.metrics = strings.TrimSuffix(strings.TrimPrefix(p[2], "http://"), "/metrics")
		case "log":
			m.log = p[2]
		}
	}
	require.NotEmpty(tb, m.proxy, m.output.String())
	return m
}

// stop asks modtap to end, as a service manager would, and waits for it.
func (m *modtap) stop() {
	_ = m.cmd.Process.Signal(syscall.SIGTERM) // it may have ended before
	select {
	case <-m.exited:
	case <-time.After(60 * time.Second):
		_ = m.cmd.Process.Kill()
		<-m.exited
		m.tb.Errorf("modtap did not end within a minute of SIGTERM")
	}
}

func (m *modtap) tellOnFailure() {
	if m.tb.Failed() {
		m.tb.Logf("modtap printed:\n%s", m.output)
	}
}

// document is a line of the JSON log, as far as the tests look at it.
type document struct {
	Timestamp time.Time `json:"@timestamp"`
	Event     struct {
		ID       string `json:"id"`
		Duration int64  `json:"duration"`
	} `json:"event"`
	Trace struct {
		ID string `json:"id"`
	} `json:"trace"`
	Span struct {
		ID string `json:"id"`
	} `json:"span"`
	HTTP struct {
		Request struct {
			Method string `json:"method"`
		} `json:"request"`
		Response struct {
			StatusCode int `json:"status_code"`
			Body       struct {
				Bytes int64 `json:"bytes"`
			} `json:"body"`
		} `json:"response"`
	} `json:"http"`
	Client struct {
		Port int `json:"port"`
	} `json:"client"`
	URL struct {
		Path string `json:"path"`
	} `json:"url"`
	Error struct {
		Type string `json:"type"`
	} `json:"error"`
	Goproxy struct {
		Side      string `json:"side"`
		Operation string `json:"operation"`
		Session   struct {
			ID string `json:"id"`
		} `json:"session"`
		Outcome string `json:"outcome"`
		Cache   struct {
			Result   string `json:"result"`
			Evidence string `json:"evidence"`
			Miss     struct {
				Reason string `json:"reason"`
			} `json:"miss"`
		} `json:"cache"`
		Download struct {
			Resumes string `json:"resumes"`
		} `json:"download"`
		Module struct {
			Path    string `json:"path"`
			Version string `json:"version"`
			Age     int64  `json:"version_age"`
		} `json:"module"`
		Leak struct {
			Pattern string `json:"pattern"`
		} `json:"leak"`
		Upstream []struct {
			URL    string `json:"url"`
			Status int    `json:"status"`
		} `json:"upstream"`
	} `json:"goproxy"`
}

// documents reads the JSON log. Half a line at the very end is a write that goes on.
func (m *modtap) documents() []document {
	m.tb.Helper()
	f, err := os.Open(m.log)
	require.NoError(m.tb, err)
	defer f.Close()
	var docs []document
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return docs
		}
		var d document
		require.NoError(m.tb, json.Unmarshal(line, &d), "each line of the log is a document: %s", line)
		docs = append(docs, d)
	}
}

// answer is what a request came to.
type answer struct {
	status int
	body   []byte
	err    error
}

// getting asks for a URL once, in a goroutine of its own.
func getting(url string) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() { done <- a }()
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
		if err != nil {
			a.err = err
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			a.err = err
			return
		}
		defer resp.Body.Close()
		a.status = resp.StatusCode
		a.body, a.err = io.ReadAll(resp.Body)
	}()
	return done
}

// get asks for a URL once and returns status and body.
func get(tb testing.TB, url string) (int, []byte) {
	tb.Helper()
	a := <-getting(url)
	require.NoError(tb, a.err)
	return a.status, a.body
}
