// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// files is the folder that the tests are about, checkout the one above it.
var (
	checkout = filepath.Join("..", "..")
	files    = filepath.Join(checkout, "deploy")
)

// scratch is a directory that outlives one test.
var scratch string

func TestMain(m *testing.M) {
	if text := os.Getenv(insideVariable); text != "" {
		fmt.Fprintln(os.Stderr, inside(text))
		os.Exit(125) // as docker run does when the container can't be made
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "modtap-deploy-*"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}

// built is the image of deploy/container, made once for all tests.
var built = sync.OnceValues(func() (*image, error) {
	return build(filepath.Join(files, "container", "Dockerfile"), checkout, scratch)
})

// theImage returns the image; its binary is the one that every test runs.
func theImage(tb testing.TB) *image {
	tb.Helper()
	made, err := built()
	if lacking, ok := errors.AsType[*lack](err); ok {
		lacks(tb, lacking.what)
	}
	require.NoError(tb, err)
	return made
}

// modtapBinary returns the path of the image's modtap.
func modtapBinary(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(theImage(tb).root, "modtap")
}

// lack is something that the environment doesn't have.
type lack struct{ what string }

func (l *lack) Error() string { return l.what + " is missing" }

// lacks ends a test that the environment has no means for: skipped, loudly; failed in CI.
func lacks(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatalf("needs %s", what)
	}
	fmt.Fprintf(os.Stderr, "SKIPPED: %s: needs %s: what this test shows is not tested\n", tb.Name(), what)
	tb.SkipNow()
}

// readFile returns a file of the folder deploy as text.
func readFile(tb testing.TB, name ...string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{files}, name...)...))
	require.NoError(tb, err)
	return string(text)
}
