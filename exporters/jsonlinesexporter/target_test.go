// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package jsonlinesexporter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLinks: a log that is reached over links of every kind rotates beside its target, and the links stay.
func TestLinks(t *testing.T) {
	for _, links := range []string{"none", "absolute", "relative", "chain", "directory", "relative over a directory", "dangling"} {
		t.Run("case 34: "+links, func(t *testing.T) {
			near, far := filepath.Join(t.TempDir(), "near"), filepath.Join(t.TempDir(), "far")
			require.NoError(t, os.Mkdir(near, 0o700))
			require.NoError(t, os.Mkdir(far, 0o700))
			target := filepath.Join(far, "target.jsonl")
			path := filepath.Join(near, "requests.jsonl")
			link := func(to, at string) string {
				require.NoError(t, os.Symlink(to, at))
				return at
			}
			switch links {
			case "none":
				path = target
			case "absolute", "dangling":
				link(target, path)
			case "relative":
				to, err := filepath.Rel(near, target)
				require.NoError(t, err)
				link(to, path)
			case "chain":
				link("second", path)
				link(link(target, filepath.Join(far, "third")), filepath.Join(near, "second"))
			case "directory":
				path = filepath.Join(link(far, filepath.Join(near, "dir")), "target.jsonl")
			case "relative over a directory":
				require.NoError(t, os.Mkdir(filepath.Join(far, "in"), 0o700))
				link(filepath.Join("..", "target.jsonl"), filepath.Join(far, "in", "back"))
				path = filepath.Join(link(filepath.Join(far, "in"), filepath.Join(near, "dir")), "back")
			}
			if links != "dangling" {
				require.NoError(t, os.WriteFile(target, []byte("{}\n"), 0o600))
			}
			f := opened(t, path, RotationConfig{MaxMegabytes: 1, MaxBackups: 2})
			line := fmt.Sprintf("{%q:%q}\n", "x", strings.Repeat("x", 600<<10))
			for range 5 {
				write(t, f, line)
			}
			info, err := os.Lstat(path)
			require.NoError(t, err)
			assert.Equal(t, links != "none" && links != "directory", info.Mode()&os.ModeSymlink != 0, "what was a link is one")
			rotated, err := filepath.Glob(filepath.Join(far, "target-*.jsonl"))
			require.NoError(t, err)
			assert.Len(t, rotated, 2, "beside the target, and no more than are to be kept")
			strays, err := filepath.Glob(filepath.Join(near, "*-*.jsonl"))
			require.NoError(t, err)
			assert.Empty(t, strays)
		})
	}
}

// TestALinkThatIsLedElsewhere is followed with the next batch, as a file that is moved is.
func TestALinkThatIsLedElsewhere(t *testing.T) {
	dir := t.TempDir()
	path, first, second := filepath.Join(dir, "link"), filepath.Join(dir, "first"), filepath.Join(dir, "second")
	require.NoError(t, os.Symlink(first, path))
	f := opened(t, path, RotationConfig{})
	write(t, f, "{\"n\":1}\n")
	require.NoError(t, os.Symlink(second, path+"~"))
	require.NoError(t, os.Rename(path+"~", path))
	write(t, f, "{\"n\":2}\n")
	require.NoError(t, os.Rename(second, second+".1")) // and rotated by somebody else
	write(t, f, "{\"n\":3}\n")
	for file, want := range map[string]string{first: "{\"n\":1}\n", second + ".1": "{\"n\":2}\n", second: "{\"n\":3}\n"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, want, string(text), file)
	}
}

func TestWords(t *testing.T) {
	for _, word := range append(words, "STDOUT", "Off", " none ") {
		require.Error(t, checkWord(word), word)
		require.NoError(t, checkWord("./"+word), word)
		require.NoError(t, checkWord(word+".jsonl"), word)
	}
	require.NoError(t, checkWord(standardOutput))
}

func FuzzTarget(f *testing.F) {
	for _, path := range []string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/2", "/proc/1/fd/1", "a/../b", "", "/dev/fd/x", "/proc/self/fd/"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		to, err := target(path)
		if err != nil {
			return
		}
		again, err := target(to)
		require.NoError(t, err)
		assert.Equal(t, to, again, "what is reached is no link")
	})
}
