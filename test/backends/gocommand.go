// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// goCommandProxyVariable names a GOPROXY for the go command's scripts; unset: their own proxy.
const goCommandProxyVariable = "MODTAP_TEST_GOPROXY"

// goCommandPatch is a file that is compiled into the go command's tests: it points all their scripts at another proxy before they
// start one of their own.
const goCommandPatch = `package main_test

import "os"

func init() {
	if url := os.Getenv("` + goCommandProxyVariable + `"); url != "" {
		proxyOnce.Do(func() { proxyURL = url })
	}
}
`

// goCommandRecipe builds the tests of this machine's go command, out of the sources in GOROOT, which stay as they are.
var goCommandRecipe = recipe{
	name: "gocommand", title: "the go command's own tests", cold: "1 min",
	tools: []tool{goTool, gitTool},
	more:  []string{runtime.Version(), goCommandPatch},
	build: func(ctx context.Context, _, dir string) error {
		sources, err := goCommandSources(ctx)
		if err != nil {
			return err
		}
		patch, overlay := filepath.Join(dir, "modtap_test.go"), filepath.Join(dir, "overlay.json")
		replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(sources, "modtap_test.go"): patch}})
		if err != nil {
			return err
		}
		if err := os.WriteFile(patch, []byte(goCommandPatch), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(overlay, replaced, 0o644); err != nil {
			return err
		}
		return run(ctx, sources, []string{"GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0"}, "go", "test", "-c", "-overlay", overlay, "-o", filepath.Join(dir, "tests"), "cmd/go")
	},
}

// goCommandSources is the directory of the go command's sources, scripts and modules.
func goCommandSources(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	sources := filepath.Join(strings.TrimSpace(string(output)), "src", "cmd", "go")
	if !exists(filepath.Join(sources, "testdata", "script")) {
		return "", &lack{needs: "a GOROOT with the go command's testdata"}
	}
	return sources, nil
}

// GoCommandTests are the built tests of this machine's go command.
type GoCommandTests struct {
	// Dir holds their sources and testdata, and is where they have to run.
	Dir string

	binary string
}

// GoCommand returns the go command's own tests.
func GoCommand(tb testing.TB) GoCommandTests {
	tb.Helper()
	dir := need(tb, goCommandRecipe)
	sources, err := goCommandSources(tb.Context())
	if err != nil {
		refuse(tb, os.Stderr, goCommandRecipe.title, err)
	}
	return GoCommandTests{Dir: sources, binary: filepath.Join(dir, "tests")}
}

// Command returns a run of the tests with these arguments, in which GOPROXY is the URL given.
func (g GoCommandTests) Command(ctx context.Context, goproxy string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.binary, args...)
	cmd.Dir = g.Dir
	cmd.Env = append(os.Environ(), goCommandProxyVariable+"="+goproxy)
	cmd.SysProcAttr = attributes(syscall.SIGKILL)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // the go commands that a script runs, too
	cmd.WaitDelay = gracePeriod
	return cmd
}

// Proxy starts the proxy that the scripts are written for. Its GOPROXY is [Server.URL] + "/mod".
func (g GoCommandTests) Proxy(tb testing.TB) *Server {
	tb.Helper()
	return launch(tb, "the go command's test proxy", 1, func(_ string, ports []int) plan {
		address := loopback(ports[0])
		return plan{
			command: command{path: g.binary, args: []string{"-proxy", address}, dir: g.Dir},
			url:     "http://" + address,
			ready:   answers("http://" + address + "/mod/rsc.io/quote/@v/list"),
		}
	})
}
