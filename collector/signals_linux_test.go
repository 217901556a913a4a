// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// proxied starts a modtap process in front of a server of the test. Its session and
// terminal are what attributes say.
func proxied(t *testing.T, attributes *syscall.SysProcAttr, stdin *os.File, before ...string) (*exec.Cmd, *running) {
	t.Helper()
	isolate(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "v1.0.0\n") }))
	t.Cleanup(origin.Close)
	t.Setenv("MODTAP_UPSTREAM", origin.URL)
	for _, name := range []string{"MODTAP_LISTEN", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN"} {
		t.Setenv(name, "127.0.0.1:0")
	}
	args := append(before, os.Args[0], "run")
	r := &running{}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), asModtap+"=1")
	cmd.Stderr, cmd.SysProcAttr = r, attributes
	if stdin != nil {
		cmd.Stdin = stdin
	}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	up(t, r)
	return cmd, r
}

// terminal opens a pseudo-terminal: what is typed and shown, and what a process has for its terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}

// ends waits for the end of a process.
func ends(t *testing.T, cmd *exec.Cmd, r *running) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(10 * time.Second):
		require.NoError(t, cmd.Process.Kill())
		require.Fail(t, "it goes on", "%s", r)
		return <-ended
	}
}

// TestHangupOfAService is case 45: without a terminal SIGHUP changes nothing, not
// even for a request that arrives at that moment on a new connection.
func TestHangupOfAService(t *testing.T) {
	cmd, r := proxied(t, &syscall.SysProcAttr{Setsid: true}, nil)
	proxy, health := told(t, r.String(), "proxy"), told(t, r.String(), "health")
	over := time.After(3 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	asked, hangups := 0, 0
	for running := true; running; asked++ {
		select {
		case <-over:
			running = false
		case <-tick.C:
			hangups++
			require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
		default:
		}
		get(t, proxy+"/example.com/m/@v/list") // requires status 200
		if asked%10 == 0 {
			get(t, health+"/healthy")
		}
	}
	require.Greater(t, hangups, 50)
	assert.Greater(t, asked, hangups)
	assert.Equal(t, 1, strings.Count(r.String(), hangupLine), r.String())
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, ends(t, cmd, r), r.String())
}

// TestHangupOfATerminal is case 45: the end of the terminal that Modtap was
// started from is an orderly end of Modtap, however many signals tell of it.
func TestHangupOfATerminal(t *testing.T) {
	t.Run("case 45: closed", func(t *testing.T) {
		master, slave := terminal(t)
		cmd, r := proxied(t, &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}, slave)
		require.NoError(t, slave.Close())
		require.NoError(t, master.Close())
		require.NoError(t, ends(t, cmd, r), "an orderly end has the exit code 0: %s", r)
	})
	t.Run("case 45: told many times", func(t *testing.T) {
		_, slave := terminal(t)
		cmd, r := proxied(t, &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}, slave)
		for range 5 {
			_ = cmd.Process.Signal(syscall.SIGHUP) // the last ones may find it ended
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, ends(t, cmd, r), r.String())
		assert.NotContains(t, r.String(), "SIGHUP")
	})
	t.Run("case 45: nohup", func(t *testing.T) {
		_, slave := terminal(t)
		cmd, r := proxied(t, &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}, slave, "sh", "-c", `trap '' HUP; exec "$@"`, "sh")
		for range 5 {
			require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
			time.Sleep(10 * time.Millisecond)
		}
		get(t, told(t, r.String(), "proxy")+"/example.com/m/@v/list")
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, ends(t, cmd, r), r.String())
	})
}

// TestOtherSignals: SIGHUP's handling leaves the others as they were.
func TestOtherSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd, r := proxied(t, &syscall.SysProcAttr{Setsid: true}, nil)
			require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
			require.NoError(t, cmd.Process.Signal(signal))
			require.NoError(t, ends(t, cmd, r), r.String())
		})
	}
	t.Run("quit", func(t *testing.T) {
		cmd, r := proxied(t, &syscall.SysProcAttr{Setsid: true}, nil)
		require.NoError(t, cmd.Process.Signal(syscall.SIGQUIT))
		require.Error(t, ends(t, cmd, r))
		assert.Contains(t, r.String(), "SIGQUIT: quit", "Go's own handler prints the goroutines")
	})
}
