// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"bufio"
	"bytes"
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

// binary is the modtap that is judged, built as the README says.
var binary string

func TestMain(m *testing.M) { os.Exit(built.Run(m, &binary)) }

// output collects what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// modtap is a running Modtap.
type modtap struct {
	places map[string]string // URLs and files that it printed: proxy, egress, log
	stop   func()
}

var place = regexp.MustCompile(`(?m)^ +(proxy|egress|log) +(\S+)`)

// startModtap runs modtap with these variables (NAME=value) and go's defaults, and returns once it says where it is.
func startModtap(t *testing.T, env ...string) *modtap {
	t.Helper()
	cmd := exec.Command(binary)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MODTAP_") && !strings.HasPrefix(v, "GO") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GOENV=off", "MODTAP_DATA="+filepath.Join(t.TempDir(), "data"),
		"MODTAP_LISTEN=127.0.0.1:0", "MODTAP_METRICS_LISTEN=127.0.0.1:0", "MODTAP_HEALTH_LISTEN=127.0.0.1:0")
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	printed, exited := new(output), make(chan struct{})
	cmd.Stdout, cmd.Stderr = printed, printed
	require.NoError(t, cmd.Start())
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	stop := sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended before
		select {
		case <-exited:
		case <-time.After(time.Minute):
			_ = cmd.Process.Kill()
			<-exited
			t.Error("modtap did not end within a minute of SIGTERM")
		}
		if t.Failed() {
			t.Logf("modtap printed:\n%s", printed)
		}
	})
	t.Cleanup(stop)
	require.Eventually(t, func() bool {
		select {
		case <-exited:
			return true
		default:
			return strings.Contains(printed.String(), "export GOPROXY=")
		}
	}, time.Minute, 5*time.Millisecond, "modtap says where it is")
	m := &modtap{places: map[string]string{}, stop: stop}
	for _, p := range place.FindAllStringSubmatch(printed.String(), -1) {
		m.places[p[1]] = p[2]
	}
	require.NotEmpty(t, m.places["proxy"], printed.String())
	return m
}

// exchanges is how many requests modtap had logged when it stopped.
func (m *modtap) exchanges(t *testing.T) (n int) {
	t.Helper()
	m.stop()
	f, err := os.Open(m.places["log"])
	require.NoError(t, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		n++
	}
	return n
}
