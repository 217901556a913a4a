// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// build builds a command of this module the way a release is built.
func build(b *testing.B, pkg string) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "binary")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, pkg)
	output, err := cmd.CombinedOutput()
	require.NoError(b, err, "%s", output)
	return binary
}

// spawn starts a command that ends with the benchmark and returns its process id and standard output. env is all it sees of Modtap's
// variables.
func spawn(b *testing.B, env []string, argv ...string) (int, io.Reader) {
	b.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), argv[0], argv[1:]...) // the context ends before the clean-up
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "MODTAP_") }), env...)
	stderr, err := os.Create(filepath.Join(b.TempDir(), "stderr"))
	require.NoError(b, err)
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	require.NoError(b, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if b.Failed() {
			said, _ := os.ReadFile(stderr.Name())
			b.Logf("%q said:\n%s", argv, said)
		}
		_ = stderr.Close()
	})
	return cmd.Process.Pid, stdout
}

// peer starts one of the benchmark's own servers and returns its process id and address.
func peer(b *testing.B, binary string, role ...string) (int, string) {
	b.Helper()
	pid, stdout := spawn(b, nil, append([]string{binary}, role...)...)
	address, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(b, err, "peer %q", role)
	return pid, strings.TrimSpace(address)
}

// client keeps no connection: what it asks happens beside a measurement.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

// fetch returns the body of a 200.
func fetch(b *testing.B, url string) ([]byte, error) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	require.NoError(b, err)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = &statusError{url: url, status: response.Status, body: body}
	}
	return body, err
}

type statusError struct {
	url, status string
	body        []byte
}

func (e *statusError) Error() string { return e.url + ": " + e.status + ": " + string(e.body) }
