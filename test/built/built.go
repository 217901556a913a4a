// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package built builds the modtap that tests start.
package built

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Modtap builds modtap into dir, as the README says, and returns where it is. root is the checkout's.
func Modtap(ctx context.Context, root, dir string) (binary string, err error) {
	binary = filepath.Join(dir, "modtap")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building modtap: %w\n%s", err, out)
	}
	return binary, nil
}

// Run runs the tests of a package two folders below the root, with a modtap that is at binary meanwhile, and returns
// the process's exit code.
func Run(tests interface{ Run() int }, binary *string) int {
	dir, err := os.MkdirTemp("", "modtap-test-*")
	if err == nil {
		defer os.RemoveAll(dir)
		*binary, err = Modtap(context.Background(), filepath.Join("..", ".."), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return tests.Run()
}
