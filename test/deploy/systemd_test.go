// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

// exposure is the highest one that the unit may have, in tenths: systemd-analyze calls up to 19 "OK", an unconfined service is at 96.
const (
	exposure = 16
)

// theUnit writes the unit for a machine whose modtap is the one just built, and returns its path and text.
func theUnit(tb testing.TB) (path, text string) {
	tb.Helper()
	const installed = "ExecStart=/usr/local/bin/modtap\n"
	text = readFile(tb, "systemd", "modtap.service")
	require.Contains(tb, text, installed)
	text = strings.Replace(text, installed, "ExecStart="+modtapBinary(tb)+"\n", 1)
	path = filepath.Join(tb.TempDir(), "modtap.service")
	require.NoError(tb, os.WriteFile(path, []byte(text), 0o644))
	return path, text
}

// TestUnit has systemd itself read the unit, and say how much of the machine is open to it.
func TestUnit(t *testing.T) {
	analyze := backends.Tool(t, "systemd-analyze")
	path, _ := theUnit(t)
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Empty(t, string(out), "a complaint")

	wrong := filepath.Join(t.TempDir(), "modtap.service")
	require.NoError(t, os.WriteFile(wrong, []byte("[Service]\nExecStart="+modtapBinary(t)+"\nProtectSystm=strict\n"), 0o644))
	out, err = exec.CommandContext(t.Context(), analyze, "verify", "--man=no", wrong).CombinedOutput()
	assert.Contains(t, string(out), "ProtectSystm", "verify finds what is misspelt: %v", err)

	out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold="+strconv.Itoa(exposure), path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Log(regexp.MustCompile(`Overall exposure level[^\n]*\d`).FindString(string(out)))
}

// commented is a line of modtap.env.
var commented = regexp.MustCompile(`(?m)^#([A-Z_]+)=(.*)$`)

// environmentFile returns what modtap.env would set if every line of it were in force.
func environmentFile(tb testing.TB) map[string]string {
	tb.Helper()
	values := map[string]string{}
	for _, line := range commented.FindAllStringSubmatch(readFile(tb, "systemd", "modtap.env"), -1) {
		require.NotContains(tb, values, line[1])
		values[line[1]] = line[2]
	}
	return values
}

// TestEnvironmentFileIsComplete holds the file against the variables that Modtap reads, and their defaults.
func TestEnvironmentFileIsComplete(t *testing.T) {
	written := environmentFile(t)
	var names, known []string
	for name := range written {
		if strings.HasPrefix(name, "MODTAP_") {
			names = append(names, name)
		}
	}
	for _, v := range config.Variables {
		known = append(known, v.Name)
		if v.Default != "" {
			assert.Equal(t, v.Default, written[v.Name], v.Name)
		}
	}
	assert.ElementsMatch(t, known, names)
	for line := range strings.Lines(readFile(t, "systemd", "modtap.env")) {
		assert.True(t, line == "\n" || strings.HasPrefix(line, "#"), "set by default: %s", line)
	}
}

// TestUnitRuns starts the real binary with every line of modtap.env in force, and holds what it asks of the kernel against what the
// unit allows: without systemd as first process the confinement itself can't be had here.
func TestUnitRuns(t *testing.T) {
	strace, analyze := backends.Tool(t, "strace"), backends.Tool(t, "systemd-analyze")
	const module = "example.com/unit"
	path, unit := theUnit(t)
	assert.Contains(t, unit, "\nEnvironmentFile=-/etc/modtap/modtap.env\n")
	values := environmentFile(t)
	state := filepath.Join(t.TempDir(), "state")
	assert.Contains(t, unit, "\nEnvironment=MODTAP_DATA="+values["MODTAP_DATA"]+"\n")
	assert.Equal(t, "/var/lib/modtap/requests.jsonl", values["MODTAP_LOG"])
	var env []string
	for name, value := range values {
		value = strings.Replace(value, values["MODTAP_DATA"], state, 1)
		if strings.HasPrefix(value, "127.0.0.1:") {
			value = port.Address(t)
		}
		if name == "MODTAP_EGRESS_UPSTREAM" {
			value = originOf(t, module)
		}
		values[name] = value
		env = append(env, name+"="+value)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	command := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(unit)[1]
	cmd := exec.Command(strace, "-f", "-D", "-q", "-o", trace, command)
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "HOME=/", "GOSUMDB=off")
	p := start(t, cmd)
	backends.Await(t, time.Minute, "Modtap to be ready", func() bool {
		status, _ := get(t, "http://"+values["MODTAP_HEALTH_LISTEN"]+"/ready")
		return status == http.StatusOK || !p.running()
	})
	require.True(t, p.running(), "%s %s", path, p.stderr.String())
	assert.NotContains(t, p.stderr.String(), "warning")
	download(t, "http://"+values["MODTAP_LISTEN"], requiring(module), "GOSUMDB=off")
	assert.Positive(t, settled(t, "http://"+values["MODTAP_METRICS_LISTEN"]+"/metrics", 3)["miss"])
	assert.FileExists(t, values["MODTAP_LOG"])
	assert.Zero(t, p.stop())
	end := fmt.Sprintf("%d +++ exited with 0 +++\n", p.cmd.Process.Pid)
	backends.Await(t, time.Minute, "the end of the trace", func() bool {
		text, err := os.ReadFile(trace)
		return err == nil && strings.Contains(strings.ReplaceAll(string(text), "  ", " "), end)
	})
	checkAllowed(t, analyze, unit, trace)
}

// call is a line of strace: the process, what it called, and with what.
var call = regexp.MustCompile(`(?m)^\d+ +(\w+)\((.*)$`)

// checkAllowed holds a trace against SystemCallFilter, RestrictAddressFamilies, MemoryDenyWriteExecute and RestrictNamespaces.
func checkAllowed(t *testing.T, analyze, unit, trace string) {
	t.Helper()
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	allowed := map[string]bool{}
	for _, filter := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(\S+)$`).FindAllStringSubmatch(unit, -1) {
		for _, name := range systemCalls(t, analyze, filter[2]) {
			allowed[name] = filter[1] == ""
		}
	}
	families := strings.Fields(regexp.MustCompile(`(?m)^RestrictAddressFamilies=(.*)$`).FindStringSubmatch(unit)[1])
	made := map[string]int{}
	for _, c := range call.FindAllStringSubmatch(string(text), -1) {
		name, args := c[1], c[2]
		made[name]++
		assert.True(t, allowed[name], "%s(%s", name, args)
		switch name {
		case "socket":
			family, _, _ := strings.Cut(args, ",")
			assert.Contains(t, families, family)
		case "mmap", "mprotect":
			assert.False(t, strings.Contains(args, "PROT_EXEC") && strings.Contains(args, "PROT_WRITE"), args)
		case "clone", "clone3", "unshare":
			assert.NotContains(t, args, "CLONE_NEW")
		}
	}
	for _, name := range []string{"execve", "mmap", "socket", "futex", "exit_group"} {
		assert.Positive(t, made[name], name)
	}
	var all []string
	total := 0
	for name, n := range made {
		all, total = append(all, name), total+n
	}
	slices.Sort(all)
	t.Logf("%d system calls of %d kinds, all allowed by the unit: %s", total, len(all), strings.Join(all, " "))
}

// systemCalls lists a set of systemd's, and the sets in it.
func systemCalls(tb testing.TB, analyze, set string) (names []string) {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), analyze, "syscall-filter", "--no-pager", set).Output()
	require.NoError(tb, err)
	for line := range strings.Lines(string(out)) {
		switch name := strings.TrimSpace(line); {
		case name == "" || name == set || strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "@"):
			names = append(names, systemCalls(tb, analyze, name)...)
		default:
			names = append(names, name)
		}
	}
	require.NotEmpty(tb, names, set)
	return names
}
