// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/modtap/modtap/collector/queuefile"
)

// asModtap makes the test binary behave as the modtap command: what a signal
// does to a process can only be seen on one.
const asModtap = "TEST_AS_MODTAP"

func TestMain(m *testing.M) {
	// A modtap that runs in a test's process has its queue files checked by the process's own binary.
	if os.Getenv(asModtap) != "" || len(os.Args) > 1 && os.Args[1] == queuefile.Command {
		Main()
	}
	// What is started from here must not take over that SIGHUP is ignored, as it is under nohup.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	goleak.VerifyTestMain(m)
}

// isolate gives the test an environment without MODTAP_ variables, with a data
// directory of its own, which it returns.
func isolate(t *testing.T) string {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "MODTAP_") {
			t.Setenv(name, "")
		}
	}
	data := t.TempDir()
	require.NoError(t, os.Chmod(data, 0o700))
	t.Setenv("MODTAP_LOG", "")
	t.Setenv("MODTAP_DATA", data)
	return data
}

// modtap runs the command in this process until it ends.
func modtap(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = execute(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

// taken returns an address on which somebody listens until the test ends.
func taken(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// A running modtap is one that a test started in this process.
type running struct {
	stop context.CancelFunc
	code chan int
	mu   sync.Mutex
	text strings.Builder
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stop: stop, code: make(chan int, 1)}
	go func() { r.code <- execute(ctx, args, r, r) }()
	return r
}

func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *running) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
