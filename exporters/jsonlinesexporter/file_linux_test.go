// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
)

// The kernel's limit on the size of a file cuts a write as a full disk does.
func TestAShortWriteIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	f := opened(t, path, RotationConfig{})
	write(t, f, line(1, 100))

	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	limited := before
	limited.Cur = 250
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited))
	_, err := f.Write([]byte(line(2, 100) + line(3, 100)))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))

	require.ErrorIs(t, err, syscall.EFBIG)
	assert.Equal(t, line(1, 100), read(t, path), "nothing of the batch is left")
	write(t, f, line(2, 100)+line(3, 100))
	assert.Equal(t, line(1, 100)+line(2, 100)+line(3, 100), read(t, path), "the batch is there once")
}

func TestAWriteErrorMayBeRetried(t *testing.T) {
	logs := started(t, &Config{Path: "/dev/full"})
	err := logs.ConsumeLogs(t.Context(), batch(0, 1))
	require.ErrorContains(t, err, "no space left on device")
	assert.False(t, consumererror.IsPermanent(err))
}
