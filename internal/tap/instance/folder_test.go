// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
)

func TestFolderIsKept(t *testing.T) {
	cfg, id := NewDefaultConfig("athens"), component.MustNewIDWithName("goproxy", "a")
	cfg.DataDir = t.TempDir()
	require.NoError(t, cfg.CheckStart(t.Context(), id), "before there is one")
	first, err := cfg.openFolder(id)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(cfg.DataDir, "goproxy%2Fa"), first.dir)
	assert.Len(t, first.key, 32)
	require.NoError(t, cfg.CheckStart(t.Context(), id))
	second, err := cfg.openFolder(id)
	require.NoError(t, err)
	assert.Equal(t, first, second)
	other, err := cfg.openFolder(component.MustNewID("goproxy"))
	require.NoError(t, err)
	assert.NotEqual(t, first.id, other.id)

	require.NoError(t, os.WriteFile(filepath.Join(first.dir, idFile), []byte("broken"), 0o600))
	renewed, err := cfg.openFolder(id)
	require.NoError(t, err)
	assert.Regexp(t, "^[0-9a-f]{16}$", renewed.id)
	assert.Equal(t, first.key, renewed.key)

	require.NoError(t, os.Remove(filepath.Join(first.dir, keyFile)))
	require.NoError(t, os.Mkdir(filepath.Join(first.dir, keyFile), 0o700))
	_, err = cfg.openFolder(id)
	require.ErrorContains(t, err, "data_dir: ")
	require.ErrorContains(t, cfg.CheckStart(t.Context(), id), "data_dir: ")
}
