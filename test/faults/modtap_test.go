// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
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
	began := time.Now()
	m.spawn()
	for {
		connection, err := net.DialTimeout("tcp", m.proxy, time.Second)
		if err == nil {
			require.NoError(m.tb, connection.Close())
			break
		}
		require.False(m.tb, m.ended(), "modtap ended at its start:\n%s", m.printed())
		require.Less(m.tb, time.Since(began), 30*time.Second, "modtap opens its port:\n%s", m.printed())
		time.Sleep(2 * time.Millisecond)
	}
	require.NoError(m.tb, ask(), "the first request after a start")
	return time.Since(began)
}

func (m *modtap) spawn() {
	output, err := os.OpenFile(m.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(m.tb, err)
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
	require.NoError(m.tb, <-started)
	m.process = cmd.Process
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
	require.NoError(m.tb, err)
	return string(output[max(0, len(output)-8<<10):])
}

// freeAddresses returns n loopback addresses on which nothing listens.
func freeAddresses(tb testing.TB, n int) []string {
	tb.Helper()
	addresses := make([]string, n)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(tb, err)
		defer l.Close() // together, so that none is handed out twice
		addresses[i] = l.Addr().String()
	}
	return addresses
}
