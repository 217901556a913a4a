// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package child runs commands that end with everything they have started: git
// starts helpers of its own, which would otherwise outlive the request that all of
// them work for. It is the only place of the request path that starts processes.
package child

import (
	"context"
	"os/exec"
	"sync"
	"time"
)

// ErrNotFound is the error of [LookPath] for a command that isn't there.
var ErrNotFound = exec.ErrNotFound

// grace is how long processes may take to end before they are killed: git removes
// its lock files meanwhile, which would be in the way of the next git.
const grace = 2 * time.Second

// LookPath finds a command, as [exec.LookPath] does.
func LookPath(name string) (string, error) { return exec.LookPath(name) }

// Command returns a command that ends when ctx does, to be run by [Run].
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = grace // For whoever else holds its output open.
	prepare(cmd)
	return cmd
}

// Run starts cmd, of [Command], and waits for its end and for that of all processes
// of its group. They are asked to end when the context does, or when the command
// has ended without them, and killed after the grace. Its error is that of
// [exec.Cmd.Run].
func Run(cmd *exec.Cmd) error {
	if err := start(cmd); err != nil {
		return err
	}
	err := cmd.Wait()
	forget(cmd)
	endGroup(cmd)
	return err
}

// own are the children that somebody here waits for. Nobody else may take their
// end; while one starts, nobody looks.
var own = struct {
	sync.Mutex
	pids map[int]bool
}{pids: make(map[int]bool)}

func start(cmd *exec.Cmd) error {
	own.Lock()
	defer own.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	own.pids[cmd.Process.Pid] = true
	return nil
}

func forget(cmd *exec.Cmd) {
	own.Lock()
	defer own.Unlock()
	delete(own.pids, cmd.Process.Pid)
}
