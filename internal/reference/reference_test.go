// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFilesAreUpToDate(t *testing.T) {
	files, err := Files()
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "go generate ./internal/reference")
	}
}

// TestTemplateVersion: a cluster takes a template only if its version is higher than that
// of the one it has.
func TestTemplateVersion(t *testing.T) {
	text, err := Template()
	require.NoError(t, err)
	sum := sha256.Sum256(text)
	assert.Equal(t, "c873eda0e4b12639", hex.EncodeToString(sum[:8]),
		"the index template is another one: raise templateVersion, run go generate ./internal/reference, and put the new sum here")
}
