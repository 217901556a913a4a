// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package child

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if as := os.Getenv("MODTAP_TEST_REAPER"); as != "" {
		if err := reapsAll(as); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// alive returns the command lines of the processes that have mark in their
// environment, zombies left aside.
func alive(mark string) (found []string) {
	names, _ := filepath.Glob("/proc/[0-9]*/environ") // The pattern is one.
	for _, name := range names {
		environ, _ := os.ReadFile(name)
		if strings.Contains(string(environ), mark) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// TestGroupEnds: whatever a command has started, however deep and however stubborn,
// nothing of it is left when Run returns.
func TestGroupEnds(t *testing.T) {
	silent := silentServer(t)
	for name, script := range map[string]string{
		"child":            "sleep 600 & wait",
		"grandchild":       "sh -c 'sleep 600 & sleep 600 & wait' & wait",
		"orphan":           "(sh -c 'sleep 600' &) ; sleep 600",
		"ignores SIGTERM":  "trap '' TERM; sh -c 'trap \"\" TERM; sleep 600; sleep 600'",
		"holds its output": "sleep 600 >&2 & exec sleep 600",
		"git that waits":   "exec git -c protocol.allow=always ls-remote http://" + silent + "/repository",
	} {
		t.Run("case 44: canceled: "+name, func(t *testing.T) {
			t.Parallel()
			mark := fmt.Sprintf("MODTAP_TEST_MARK=%d-%s", os.Getpid(), strings.ReplaceAll(name, " ", "-"))
			ctx, cancel := context.WithCancel(t.Context())
			cmd := Command(ctx, "sh", "-c", script)
			cmd.Env = append(os.Environ(), mark)
			var said strings.Builder
			cmd.Stdout, cmd.Stderr = &said, &said
			go func() {
				defer cancel()
				deadline := time.Now().Add(5 * time.Second)
				for time.Now().Before(deadline) && len(alive(mark)) < 2 {
					time.Sleep(10 * time.Millisecond)
				}
			}()
			begin := time.Now()
			require.Error(t, Run(cmd))
			assert.Less(t, time.Since(begin), 15*time.Second)
			assert.Eventually(t, func() bool { return len(alive(mark)) == 0 }, time.Minute, 10*time.Millisecond, "%q", alive(mark))
		})
	}
	t.Run("case 44: a helper that its command left behind", func(t *testing.T) {
		t.Parallel()
		mark := fmt.Sprintf("MODTAP_TEST_MARK=%d-left", os.Getpid())
		cmd := Command(t.Context(), "sh", "-c", "sleep 600 >/dev/null 2>&1 & echo done")
		cmd.Env = append(os.Environ(), mark)
		out, err := output(cmd)
		require.NoError(t, err)
		assert.Equal(t, "done\n", out)
		assert.Eventually(t, func() bool { return len(alive(mark)) == 0 }, time.Minute, 10*time.Millisecond)
	})
}

func output(cmd *exec.Cmd) (string, error) {
	var out strings.Builder
	cmd.Stdout = &out
	err := Run(cmd)
	return out.String(), err
}

// silentServer takes connections and never answers.
func silentServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l.Addr().String()
}

func TestErrors(t *testing.T) {
	_, err := LookPath("there-is-no-such-command")
	require.ErrorIs(t, err, ErrNotFound)
	require.Error(t, Run(Command(t.Context(), "/there/is/no/such/command")))
	var exit *exec.ExitError
	require.ErrorAs(t, Run(Command(t.Context(), "false")), &exit)
	own.Lock()
	defer own.Unlock()
	assert.Empty(t, own.pids)
}

// TestReap: this process's test binary, as the first process of a namespace and as a
// subreaper, leaves no zombie and takes nobody's child.
func TestReap(t *testing.T) {
	binary, err := os.Executable()
	require.NoError(t, err)
	run := func(as string, args ...string) {
		t.Run("case 44: "+as, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "MODTAP_TEST_REAPER="+as)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
	run("subreaper", binary)
	if os.Geteuid() != 0 && os.Getenv("CI") == "" {
		t.Skip("SKIPPED: reaping as process 1 needs root for a namespace; not tested")
	}
	run("process 1", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", binary)
}

// reapsAll is run in a process of its own.
func reapsAll(as string) error {
	if as == "subreaper" {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return err
		}
	} else if os.Getpid() != 1 {
		return fmt.Errorf("process %d isn't the first", os.Getpid())
	}
	defer Reap()()
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	add := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			errs = append(errs, err)
		}
	}
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				add(Run(Command(context.Background(), "true")))
				add(exec.CommandContext(context.Background(), "true").Run()) // Somebody who doesn't know of us.
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i+1)*100*time.Millisecond)
			defer cancel()
			if Run(Command(ctx, "sh", "-c", "(setsid sleep 0.3 &) ; (sleep 600 &) ; sleep 600")) == nil {
				add(errors.New("wasn't canceled"))
			}
		})
	}
	all.Wait()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if syscall.Kill(os.Getpid(), 0) == nil && len(zombies()) == 0 && !anyChild() {
			return errors.Join(errs...)
		}
	}
	return errors.Join(append(errs, fmt.Errorf("zombies: %v", zombies()))...)
}

// anyChild reports whether a child is left that hasn't ended.
func anyChild() bool {
	_, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	return err == nil
}
