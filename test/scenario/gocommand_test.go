// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// goCommand runs the go command in a module with a module cache of its own, and returns what it printed.
func goCommand(t *testing.T, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOMODCACHE="+filepath.Join(dir, "modcache"), "GOFLAGS=-mod=mod -modcacherw", "GOWORK=off", "GONOSUMDB=*")
	command.Env = append(command.Env, env...)
	out, err := command.CombinedOutput()
	return string(out), err
}
