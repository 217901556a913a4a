// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.uber.org/zap"
)

// The kernel's limit on the size of a file cuts a write as a full disk does. It is the
// whole process's: files that the test runner writes meanwhile must stay below it.
func TestAShortWriteIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	f := opened(t, path, RotationConfig{})
	first := line(1, 1<<20)
	write(t, f, first)

	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	limited := before
	limited.Cur = uint64(len(first)) + 150
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited))
	_, err := f.Write([]byte(line(2, 100) + line(3, 100)))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))

	require.ErrorIs(t, err, syscall.EFBIG)
	behind := func() string {
		rest, there := strings.CutPrefix(read(t, path), first)
		assert.True(t, there)
		return rest
	}
	assert.Empty(t, behind(), "nothing of the batch is left")
	write(t, f, line(2, 100)+line(3, 100))
	assert.Equal(t, line(2, 100)+line(3, 100), behind(), "the batch is there once")
}

func TestAWriteErrorMayBeRetried(t *testing.T) {
	logs := started(t, &Config{Path: "/dev/full"})
	err := logs.ConsumeLogs(t.Context(), batch(0, 1))
	require.ErrorContains(t, err, "no space left on device")
	assert.False(t, consumererror.IsPermanent(err))
}

// TestNamedPipeWithoutReader: what nobody reads is not taken, whenever the reader comes or goes.
func TestNamedPipeWithoutReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	f, err := openFile(path, fileMode, RotationConfig{}, zap.NewNop())
	require.NoError(t, err, "the reader may start later")
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	var taken, got []string
	for i := range 9 {
		line := fmt.Sprintf("{%q:%d}\n", "n", i)
		var reader *os.File
		if i%3 == 1 {
			reader, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			require.NoError(t, err)
		}
		_, err := f.Write([]byte(line))
		if i%3 != 1 {
			require.Error(t, err)
			if i%3 == 0 && i > 0 {
				require.ErrorIs(t, err, errNoReader)
				assert.Contains(t, err.Error(), "start what reads it")
			}
			continue
		}
		require.NoError(t, err)
		taken = append(taken, line)
		text := make([]byte, len(line))
		_, err = io.ReadFull(reader, text)
		require.NoError(t, err)
		got = append(got, string(text))
		require.NoError(t, reader.Close())
	}
	assert.Equal(t, taken, got)
	assert.Len(t, got, 3)
}
