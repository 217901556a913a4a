// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// gracePeriod is how long a server may take to end after SIGTERM.
const gracePeriod = 10 * time.Second

// command is what it takes to start a server, also a second time.
type command struct {
	path     string
	args     []string
	env      []string // added to the environment of the test
	dir      string   // working directory
	log      string   // file that receives standard output and standard error
	orphaned syscall.Signal
}

// process is one running server.
type process struct {
	pid  int
	done chan struct{} // closed when the process has ended and was waited for
	err  error         // its exit, valid after done
}

func spawn(c command) (*process, error) {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.path, c.args...) //nolint:noctx // Outlives the test's context, which ends before its clean-up.
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(cmp.Or(c.orphaned, syscall.SIGKILL))
	// Held open, never written: Elasticsearch's runner ends when its input closes.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the parent-death signal when the starting thread ends, so that thread is kept until the process has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := errors.Join(cmd.Start(), log.Close())
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start of %s: %w", c.path, err)
	}
	return p, nil
}

// stop ends the process: SIGTERM, then SIGKILL for it and for the children that it left.
func (p *process) stop() {
	if p.ended() {
		return
	}
	// A paused process can't act on SIGTERM.
	p.signalGroup(syscall.SIGCONT)
	_ = syscall.Kill(p.pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(gracePeriod):
	}
	p.kill()
}

// kill ends the process and its children without notice.
func (p *process) kill() {
	p.signalGroup(syscall.SIGKILL)
	<-p.done
	// Children are not ours to wait for, and may write files until they are gone. Not for long: those that nobody waits for stay as
	// zombies, which write nothing.
	for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if errors.Is(syscall.Kill(-p.pid, 0), syscall.ESRCH) {
			return
		}
	}
}

func (p *process) signalGroup(signal syscall.Signal) {
	_ = syscall.Kill(-p.pid, signal)
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// lastLines returns the last 50 lines of a server's output.
func lastLines(output []byte) []byte {
	lines := bytes.Split(bytes.TrimRight(output, "\n"), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-50):], []byte("\n"))
}
