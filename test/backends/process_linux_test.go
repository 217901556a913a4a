// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServersEndWithTheKilledTestBinary(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), orphanVariable+"="+t.TempDir())
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pid int
	_, err = fmt.Fscan(output, &pid)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0), "the server runs")

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())

	Await(t, time.Minute, "the end of the server", func() bool { return dead(pid) })
}

func TestProcessEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		script string
		end    func(*process)
	}{
		{"on SIGTERM", "echo up; exec sleep 60", (*process).stop},
		{"when it is paused", "echo up; kill -STOP $$; exec sleep 60", (*process).stop},
		{"without notice", "trap '' TERM; echo up; sleep 60", (*process).kill},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := filepath.Join(t.TempDir(), "log")
			p, err := spawn(command{path: "sh", args: []string{"-c", test.script}, log: log})
			require.NoError(t, err)
			Await(t, time.Minute, "the first line", func() bool {
				output, err := os.ReadFile(log)
				return err == nil && len(output) > 0
			})
			assert.False(t, p.ended())

			began := time.Now()
			test.end(p)

			assert.True(t, gone(p.pid))
			assert.Less(t, time.Since(began), gracePeriod/2)
		})
	}
}

func TestProcessEndsWithItsChildren(t *testing.T) {
	dir := t.TempDir()
	p, err := spawn(command{path: "sh", args: []string{"-c", "sleep 60 & echo $! > child; wait"}, dir: dir, log: filepath.Join(dir, "log")})
	require.NoError(t, err)
	var child int
	Await(t, time.Minute, "the child", func() bool {
		id, err := os.ReadFile(filepath.Join(dir, "child"))
		if err == nil {
			_, err = fmt.Sscan(string(id), &child)
		}
		return err == nil
	})
	require.False(t, dead(child))

	p.stop()

	assert.True(t, gone(p.pid))
	assert.True(t, dead(child))
}

// dead tells whether a process has ended, even if nobody has waited for it.
func dead(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return errors.Is(err, os.ErrNotExist) || strings.Contains(string(stat), ") Z ")
}
