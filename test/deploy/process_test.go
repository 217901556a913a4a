// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"bytes"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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

// A process runs until the test ends.
type process struct {
	tb     testing.TB
	cmd    *exec.Cmd
	stdout lines
	stderr lines
	ended  chan struct{}
}

func start(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	p := &process{tb: tb, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	require.NoError(tb, cmd.Start())
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // told by ProcessState
	}()
	tb.Cleanup(func() {
		p.stop()
		if tb.Failed() {
			tb.Logf("%s printed:\n%s%s", cmd.Args[0], tail(p.stdout.String()), tail(p.stderr.String()))
		}
	})
	return p
}

// stop asks the process to end, as a service manager would, and returns its exit code: -1 if it had to be killed.
func (p *process) stop() int {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended before
	select {
	case <-p.ended:
	case <-time.After(45 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
		p.tb.Errorf("%s didn't end within 45 s of SIGTERM", p.cmd.Args[0])
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func tail(text string) string { return text[max(0, len(text)-4000):] }
