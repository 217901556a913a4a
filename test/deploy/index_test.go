// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadmes: the index names every folder, and each link leads to a file.
func TestReadmes(t *testing.T) {
	entries, err := os.ReadDir(files)
	require.NoError(t, err)
	index := readFile(t, "README.md")
	readmes, err := filepath.Glob(filepath.Join(files, "*", "README.md"))
	require.NoError(t, err)
	for _, e := range entries {
		if e.IsDir() {
			assert.Contains(t, index, "| ["+e.Name()+"]("+e.Name()+"/")
		}
	}
	links := 0
	for _, path := range append(readmes, filepath.Join(files, "README.md")) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`).FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(link[1], "://") {
				assert.True(t, exists(filepath.Join(filepath.Dir(path), link[1])), "%s in %s", link[1], path)
				links++
			}
		}
	}
	assert.Greater(t, links, 8)
}
