// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// Names returns the names that [Prepare] takes, in the order in which it goes through them.
func Names() []string {
	names := make([]string, len(recipes))
	for i, r := range recipes {
		names[i] = r.name
	}
	return names
}

// Prepare builds or installs the named servers, all of them when none is named, and says on standard error what it does. It goes on
// after a fault and returns all of them.
func Prepare(ctx context.Context, names ...string) error {
	var faults error
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			faults = errors.Join(faults, fmt.Errorf("unknown server %q: one of %s", name, strings.Join(Names(), ", ")))
		}
	}
	for _, r := range recipes {
		if len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		began := time.Now()
		if _, err := r.prepare(ctx); err != nil {
			faults = errors.Join(faults, err)
			progress("%s: not ready", r.title)
			continue
		}
		progress("%s: ready (%.1f s)", r.title, time.Since(began).Seconds())
	}
	return faults
}

// Tool returns the path of a program that tests and benchmarks run beside the servers, or with a configuration of their
// own: "curl", "hey", "jq", "nginx", "openssl", "promtool", "strace" or "systemd-analyze".
func Tool(tb testing.TB, command string) string {
	tb.Helper()
	for _, t := range []tool{curlTool, heyTool, jqTool, nginxTool, opensslTool, promtoolTool, straceTool, systemdTool} {
		if t.command == command {
			return toolPath(tb, command, t)
		}
	}
	tb.Fatalf("unknown tool %q", command)
	return ""
}

func toolPath(tb TB, title string, t tool) string {
	tb.Helper()
	quick(tb)
	path, err := t.path(tb.Context())
	if err != nil {
		refuse(tb, os.Stderr, title, err)
	}
	return path
}

// need returns the server's directory; what is missing ends the test.
func need(tb TB, r recipe) string {
	tb.Helper()
	quick(tb)
	dir, err := r.prepare(tb.Context())
	if err != nil {
		refuse(tb, os.Stderr, r.title, err)
	}
	return dir
}

// quick ends a test that needs what go test -short does without: servers and tools.
func quick(tb TB) {
	tb.Helper()
	if testing.Testing() && testing.Short() { // test/stack/run is no test
		tb.SkipNow()
	}
}

// refuse ends a test whose server can't be had: skipped, loudly, where the environment lacks something, failed in CI and for any
// other reason.
func refuse(tb TB, loud io.Writer, title string, err error) {
	tb.Helper()
	missing, ok := errors.AsType[*lack](err)
	if !ok || os.Getenv("CI") != "" {
		tb.Fatalf("%s can't be started: %v", title, err)
		return
	}
	fmt.Fprintf(loud, "SKIPPED: %s: %s is missing (needs %s): what this test shows is not tested\n", tb.Name(), title, missing.needs)
	tb.SkipNow()
}
