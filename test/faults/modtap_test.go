// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// modtap is a Modtap that is started again and again, with the same ports and
// the same data directory.
type modtap struct {
	tb      testing.TB
	env     []string
	data    string // MODTAP_DATA
	output  string // file that receives what it prints, over all starts
	proxy   string // host:port
	metrics string // host:port

	process *os.Process
	exited  chan struct{} // closed when the process was waited for
	err     error         // of its end, valid after exited
}

// newModtap prepares a Modtap with these variables and no others of ours, that
// listens on three ports: proxy, metrics, health. It is ended with the test.
func newModtap(tb testing.TB, ports []string, data string, env ...string) *modtap {
	tb.Helper()
	m := &modtap{tb: tb, data: data, output: filepath.Join(tb.TempDir(), "output.log"), proxy: ports[0], metrics: ports[1]}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MODTAP_") {
			m.env = append(m.env, v)
		}
	}
	m.env = append(m.env, "MODTAP_DATA="+m.data, "MODTAP_LISTEN="+m.proxy, "MODTAP_METRICS_LISTEN="+m.metrics,
		"MODTAP_HEALTH_LISTEN="+ports[2], "MODTAP_EGRESS_UPSTREAM=off")
	m.env = append(m.env, env...)
	tb.Cleanup(func() {
		if m.process != nil && !m.ended() {
			m.resume()
			m.kill()
		}
		if tb.Failed() {
			tb.Logf("modtap printed:\n%s", m.printed())
		}
	})
	return m
}

// start starts the process and returns how long it takes until its proxy
// answers: until ask, which sends a request, returns nil after the port is open.
func (m *modtap) start(ask func() error) time.Duration {
	m.tb.Helper()
	took, err := m.answers(ask)
	require.NoError(m.tb, err)
	return took
}

// answers is start, for other goroutines than the test's.
func (m *modtap) answers(ask func() error) (took time.Duration, err error) {
	began := time.Now()
	if err := m.spawn(); err != nil {
		return 0, err
	}
	for {
		connection, err := net.DialTimeout("tcp", m.proxy, time.Second)
		if err == nil {
			_ = connection.Close() // nothing was sent
			break
		}
		if m.ended() {
			return 0, fmt.Errorf("modtap ended at its start:\n%s", m.printed())
		}
		if time.Since(began) > time.Minute {
			return 0, fmt.Errorf("modtap doesn't open its port:\n%s", m.printed())
		}
		time.Sleep(2 * time.Millisecond)
	}
	if err := ask(); err != nil {
		return 0, fmt.Errorf("the first request after a start: %w", err)
	}
	return time.Since(began), nil
}

func (m *modtap) spawn() error {
	output, err := os.OpenFile(m.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := exec.Command(binary)
	cmd.Env, cmd.Stdout, cmd.Stderr = m.env, output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.exited = make(chan struct{})
	started := make(chan error)
	go func() {
		// The parent-death signal is sent when the starting thread ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			m.err = cmd.Wait()
			close(m.exited)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	m.process = cmd.Process
	return nil
}

func (m *modtap) ended() bool {
	select {
	case <-m.exited:
		return true
	default:
		return false
	}
}

// kill ends the process without notice.
func (m *modtap) kill() {
	_ = m.process.Signal(syscall.SIGKILL)
	<-m.exited
}

// terminate asks the process to end, as a service manager would, and waits.
func (m *modtap) terminate() {
	m.tb.Helper()
	require.NoError(m.tb, m.process.Signal(syscall.SIGTERM))
	select {
	case <-m.exited:
	case <-time.After(time.Minute):
		m.kill()
		m.tb.Fatal("modtap did not end within a minute of SIGTERM")
	}
	require.NoError(m.tb, m.err, "exit code after SIGTERM")
}

// pause stops the process where it is, resume lets it go on.
func (m *modtap) pause()  { _ = m.process.Signal(syscall.SIGSTOP) }
func (m *modtap) resume() { _ = m.process.Signal(syscall.SIGCONT) }

func (m *modtap) printed() string {
	output, err := os.ReadFile(m.output)
	if err != nil {
		return err.Error()
	}
	return string(output[max(0, len(output)-8<<10):])
}
