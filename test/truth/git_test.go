// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// pastModule is a module that proxies with GONOPROXY=pastPrefix fetch from version control.
const (
	pastPrefix = "example.com/past"
	pastModule = pastPrefix + "/m.git"
)

// newRepository makes the repository of pastModule and lets git, with that home, find it where the go command asks for it.
func newRepository(tb testing.TB, home string) {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "m")
	require.NoError(tb, os.MkdirAll(dir, 0o755))
	settings := "[url \"file://" + filepath.Dir(dir) + "/\"]\n\tinsteadOf = https://" + pastPrefix + "/\n" +
		"[user]\n\tname = truth\n\temail = truth@example.com\n[safe]\n\tdirectory = *\n"
	require.NoError(tb, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(settings), 0o600))
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(gomod(pastModule)), 0o600))
	git := func(args ...string) {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+home)
		out, err := cmd.CombinedOutput()
		require.NoError(tb, err, "git %v: %s", args, out)
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	for _, version := range versions {
		git("tag", version)
	}
}
