// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the modtap that the tests break, built as the README says.
var binary string

// full tells the long form of each fault; the short one is part of make test.
var full = os.Getenv("MODTAP_FAULTS") == "full"

// scale chooses between the short form of a fault and the full one.
func scale[T any](short, long T) T {
	if full {
		return long
	}
	return short
}

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "modtap-faults-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "modtap")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building modtap: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
