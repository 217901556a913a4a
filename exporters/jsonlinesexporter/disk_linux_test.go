// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
)

// statusHost keeps the status that a component reports.
type statusHost struct {
	component.Host
	events []componentstatus.Status
}

func (h *statusHost) Report(event *componentstatus.Event) {
	h.events = append(h.events, event.Status())
}

func TestAFullDisk(t *testing.T) {
	directory := t.TempDir()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, "size=1m"); err != nil {
		require.Empty(t, os.Getenv("CI"), "no tmpfs can be mounted here: %v", err)
		t.Skipf("SKIPPED: no tmpfs can be mounted here (%v): a really full disk is not tested", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(directory, 0)) })
	path, ballast := filepath.Join(directory, "requests.jsonl"), filepath.Join(directory, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 600<<10), 0o600))

	host := &statusHost{Host: componenttest.NewNopHost()}
	logs := newLogs(t, &Config{Path: path})
	require.NoError(t, logs.Start(t.Context(), host))
	t.Cleanup(func() { assert.NoError(t, logs.Shutdown(context.Background())) })

	const batch = 512
	next := 1
	var full error
	for full == nil {
		require.Less(t, next, 100*batch, "the disk must become full")
		if full = logs.ConsumeLogs(t.Context(), told("a", firstRun, next, next+batch-1)); full == nil {
			next += batch
		}
	}
	require.ErrorIs(t, full, syscall.ENOSPC)
	assert.False(t, consumererror.IsPermanent(full), "the engine tells it again")
	assert.Equal(t, ids(firstRun, 1, next-1), eventIDs(t, read(t, path)), "nothing of the refused batch is left")
	require.ErrorIs(t, logs.ConsumeLogs(t.Context(), told("a", firstRun, next, next+batch-1)), syscall.ENOSPC)
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, host.events, "told once")

	require.NoError(t, os.Remove(ballast))
	consume(t, logs, told("a", firstRun, next, next+batch-1), told("a", firstRun, next+batch, next+2*batch-1))
	assert.Equal(t, ids(firstRun, 1, next+2*batch-1), eventIDs(t, read(t, path)))
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}, host.events)
}

func TestADirectoryThatIsRemovedIsMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log", "requests.jsonl")
	logs := started(t, &Config{Path: path})
	consume(t, logs, told("a", firstRun, 1, 2))
	require.NoError(t, os.RemoveAll(filepath.Dir(path)))
	consume(t, logs, told("a", firstRun, 2, 3))
	assert.Equal(t, ids(firstRun, 3, 3), eventIDs(t, read(t, path)), "what was written isn't written again")
}

// A cut that fails is made up for before the next write.
func TestWhatCouldNotBeCutIsCutLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	f := opened(t, path, RotationConfig{})
	write(t, f, line(1, 100))
	writable := f.handle
	_, err := writable.WriteString(line(2, 100) + `{"half`)
	require.NoError(t, err)
	f.handle, err = os.Open(path) // Can't be truncated.
	require.NoError(t, err)
	require.Error(t, f.cut())
	_, err = f.Write([]byte(line(2, 100)))
	require.Error(t, err)
	require.NoError(t, f.handle.Close())
	f.handle = writable
	write(t, f, line(2, 100))
	assert.Equal(t, line(1, 100)+line(2, 100), read(t, path))
}
