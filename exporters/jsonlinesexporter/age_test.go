// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRotationByAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	rotation := RotationConfig{Interval: 24 * time.Hour}
	synctest.Test(t, func(t *testing.T) { // At midnight, UTC.
		f := opened(t, path, rotation)
		time.Sleep(23 * time.Hour)
		first := `{"@timestamp":"` + time.Now().UTC().Format(time.RFC3339Nano) + `"}` + "\n"
		write(t, f, first)
		time.Sleep(time.Hour - 1)
		write(t, f, "{}\n")
		assert.Empty(t, backups(t, path), "it is still the same day")
		time.Sleep(time.Nanosecond)
		write(t, f, first)
		require.Len(t, backups(t, path), 1)
		assert.Equal(t, first+"{}\n", read(t, backups(t, path)[0]))
		assert.Equal(t, first, read(t, path))
		require.NoError(t, f.Close())

		f = opened(t, path, rotation)
		write(t, f, "{\"again\":1}\n")
		assert.Len(t, backups(t, path), 2, "the age is that of the first document, also after a restart")
		time.Sleep(30 * 24 * time.Hour)
		write(t, f, "{}\n")
		assert.Len(t, backups(t, path), 3)
	})
}

func TestAFileThatDoesNotTellItsAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	for _, content := range []string{"hello\n", "{\"@timestamp\":\"yesterday\"}\n", "\n"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		f := opened(t, path, RotationConfig{Interval: 24 * time.Hour})
		assert.WithinDuration(t, time.Now(), f.begun, time.Minute, content)
	}
}
