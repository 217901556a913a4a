// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package jsonlinesexporter

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.uber.org/zap"
)

func TestOnlyTheTailIsReadAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(filler(megabyte)+filler(startBytes/2)+filler(startBytes/2)), 0o600))
	f := opened(t, path, RotationConfig{})
	count := func(bound int64) (lines int) {
		f.readBack(bound, func([]byte) { lines++ })
		return lines
	}
	assert.Equal(t, 3, count(searchBytes))
	assert.Equal(t, 2, count(startBytes+1), "the line that is cut isn't read")
	assert.Equal(t, 1, count(startBytes))
}

func TestAFileThatCannotBeReadIsPassedOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	f := &file{path: path, target: path, logger: zap.NewNop()}
	require.NoError(t, os.WriteFile(f.backupName(time.Unix(1, 0)), []byte("{}\n"), 0o600))
	require.NoError(t, os.Mkdir(f.backupName(time.Unix(2, 0)), 0o700))
	require.NoError(t, syscall.Mkfifo(f.backupName(time.Unix(3, 0)), 0o600))
	require.NoError(t, os.Symlink("nowhere", f.backupName(time.Unix(4, 0))))
	lines := 0
	f.readBack(startBytes, func([]byte) { lines++ })
	assert.Equal(t, 1, lines)
}

// BenchmarkStart opens a file of 100 MB and remembers what its tail holds.
func BenchmarkStart(b *testing.B) {
	cfg := &Config{Path: filepath.Join(b.TempDir(), "requests.jsonl")}
	logs := newLogs(b, cfg)
	require.NoError(b, logs.Start(b.Context(), componenttest.NewNopHost()))
	batch := exchanges(b)
	next := uint64(0)
	for {
		next = number(batch, next)
		require.NoError(b, logs.ConsumeLogs(b.Context(), batch))
		if info, err := os.Stat(cfg.Path); err != nil || info.Size() > 100*megabyte {
			require.NoError(b, err)
			break
		}
	}
	require.NoError(b, logs.Shutdown(b.Context()))
	for b.Loop() {
		logs := newLogs(b, cfg)
		if err := logs.Start(context.Background(), componenttest.NewNopHost()); err != nil {
			b.Fatal(err)
		}
		if err := logs.Shutdown(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(startBytes)
}
