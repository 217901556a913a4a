// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
)

func settings() exporter.Settings {
	set := exportertest.NewNopSettings(componentType)
	set.ID = component.NewIDWithName(componentType, "test")
	return set
}

func newLogs(t testing.TB, cfg *Config) exporter.Logs {
	t.Helper()
	logs, err := NewFactory().CreateLogs(context.Background(), settings(), cfg)
	require.NoError(t, err)
	return logs
}

func started(t testing.TB, cfg *Config) exporter.Logs {
	t.Helper()
	logs := newLogs(t, cfg)
	require.NoError(t, logs.Start(context.Background(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, logs.Shutdown(context.Background())) })
	return logs
}

// batch is two resources with n records each; their event.id is first, first+1
// and so on.
func batch(first, n int) plog.Logs {
	logs := plog.NewLogs()
	for i := range 2 {
		inResource := logs.ResourceLogs().AppendEmpty()
		inResource.Resource().Attributes().PutStr("service.name", fmt.Sprintf("proxy-%d", i))
		records := inResource.ScopeLogs().AppendEmpty().LogRecords()
		for j := range n {
			record := records.AppendEmpty()
			record.SetTimestamp(1)
			record.Body().SetStr("two\nlines")
			record.Attributes().PutStr("event.id", strconv.Itoa(first+i*n+j))
		}
	}
	return logs
}

// eventIDs reads every line of the file.
func eventIDs(t testing.TB, content string) []string {
	t.Helper()
	require.True(t, content == "" || strings.HasSuffix(content, "\n"), "the last line must be ended")
	var ids []string
	for line := range strings.Lines(content) {
		var document struct {
			Event   struct{ ID string }
			Service struct{ Name string }
			Message string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &document), line)
		require.Equal(t, "two\nlines", document.Message)
		require.Contains(t, document.Service.Name, "proxy-")
		ids = append(ids, document.Event.ID)
	}
	return ids
}

func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

func TestNilMeansWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "requests.jsonl")
	logs := started(t, &Config{Path: path})
	require.NoError(t, logs.ConsumeLogs(t.Context(), batch(0, 2)))
	assert.Equal(t, []string{"0", "1", "2", "3"}, eventIDs(t, read(t, path)))
	require.NoError(t, logs.ConsumeLogs(t.Context(), plog.NewLogs()))
	require.NoError(t, logs.ConsumeLogs(t.Context(), batch(4, 1)))
	assert.Equal(t, []string{"0", "1", "2", "3", "4", "5"}, eventIDs(t, read(t, path)))
}

func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	logs := started(t, &Config{Path: path})
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for range 20 {
				assert.NoError(t, logs.ConsumeLogs(t.Context(), batch(i, 1)))
			}
		})
	}
	writers.Wait()
	assert.Len(t, eventIDs(t, read(t, path)), 8*20*2)
}

func TestStandardOutput(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	before := os.Stdout
	os.Stdout = w
	t.Cleanup(func() { os.Stdout = before })

	logs := newLogs(t, &Config{Path: "-"})
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	require.NoError(t, logs.ConsumeLogs(t.Context(), batch(0, 1)))
	require.NoError(t, logs.Shutdown(t.Context()))
	require.NoError(t, w.Close(), "the exporter must leave standard output open")
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, []string{"0", "1"}, eventIDs(t, string(content)))
}

func TestLifecycle(t *testing.T) {
	logs := newLogs(t, &Config{Path: filepath.Join(t.TempDir(), "requests.jsonl")})
	host := componenttest.NewNopHost()
	require.NoError(t, logs.Shutdown(t.Context()), "before the start")

	logs = newLogs(t, &Config{Path: filepath.Join(t.TempDir(), "requests.jsonl")})
	require.NoError(t, logs.Start(t.Context(), host))
	require.NoError(t, logs.Start(t.Context(), host))
	require.NoError(t, logs.ConsumeLogs(t.Context(), batch(0, 1)))
	require.NoError(t, logs.Shutdown(t.Context()))
	require.NoError(t, logs.Shutdown(t.Context()))
	require.ErrorIs(t, logs.ConsumeLogs(t.Context(), batch(0, 1)), errNotRunning)
}

func TestAPathThatCannotBeWrittenStopsTheStart(t *testing.T) {
	directory := t.TempDir()
	plain := filepath.Join(directory, "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))
	const cure = `: name a file that Modtap may write to, or "-" for standard output`
	for name, tt := range map[string]struct{ path, want string }{
		"a directory":    {directory, directory + " is a directory"},
		"beneath a file": {filepath.Join(plain, "requests.jsonl"), "mkdir " + plain + ": not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			logs := newLogs(t, &Config{Path: tt.path})
			require.EqualError(t, logs.Start(t.Context(), componenttest.NewNopHost()),
				"exporters::jsonlines/test::path: "+tt.want+cure)
			assert.NoError(t, logs.Shutdown(t.Context()))
		})
	}
}

func TestACancelledBatchIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	logs := started(t, &Config{Path: path})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, logs.ConsumeLogs(ctx, batch(0, 1)), context.Canceled)
	assert.Empty(t, read(t, path))
}
