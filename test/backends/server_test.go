// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func atOnce(context.Context) error { return nil }

func TestLaunchTakesOtherPortsWhenOneIsTaken(t *testing.T) {
	t.Parallel()
	var tried [][]int
	s := launch(t, "a server", 2, func(_ string, ports []int) plan {
		tried = append(tried, ports)
		if len(tried) == 1 {
			return plan{
				command: command{path: "sh", args: []string{"-c", "echo bind: Address already in use; exit 1"}},
				ready:   func(context.Context) error { return context.Canceled },
			}
		}
		return plan{command: command{path: "sleep", args: []string{"60"}}, ready: atOnce, url: "http://" + loopback(ports[0])}
	})
	require.Len(t, tried, 2)
	assert.NotEqual(t, tried[0], tried[1])
	assert.Equal(t, "http://"+loopback(tried[1][0]), s.URL)
	assert.DirExists(t, s.Dir)
}

func TestStartTellsThatTheServerEnded(t *testing.T) {
	t.Parallel()
	s := &Server{
		tb: t, title: "a server",
		command: command{path: "sh", args: []string{"-c", "echo why; exit 3"}, log: filepath.Join(t.TempDir(), "log")},
		ready:   func(context.Context) error { return context.Canceled },
	}
	require.ErrorContains(t, s.start(), "ended before it was ready: exit status 3")
	assert.Equal(t, "why\n", s.Output())

	s.command.path = "modtap-no-such-server"
	require.ErrorContains(t, s.start(), "start of modtap-no-such-server")
}

func TestLastLines(t *testing.T) {
	for _, test := range []struct{ name, output, last string }{
		{"nothing", "", ""},
		{"few", "a\nb\n", "a\nb"},
		{"many", "first\n" + strings.Repeat("line\n", 50), "line\n" + strings.Repeat("line\n", 48) + "line"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.last, string(lastLines([]byte(test.output))))
		})
	}
}
