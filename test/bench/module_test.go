// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modtap/modtap/test/bench"
)

func TestModuleFiles(t *testing.T) {
	for _, tt := range []struct {
		name   string
		module bench.Module
		kind   string
		path   string
		size   int
		delta  float64
	}{
		{"info", bench.Small, "info", "/github.com/pkg/errors/@v/v0.9.1.info", 160, 2},
		{"mod", bench.Small, "mod", "/github.com/pkg/errors/@v/v0.9.1.mod", 1500, 100},
		{"small zip", bench.Small, "zip", "/github.com/pkg/errors/@v/v0.9.1.zip", 100 << 10, 0},
		{"large zip", bench.Large, "zip", "/github.com/aws/aws-sdk-go/@v/v1.55.5.zip", 10 << 20, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, content, err := tt.module.File(tt.kind)
			require.NoError(t, err)
			assert.Equal(t, tt.path, path)
			assert.InDelta(t, tt.size, len(content), tt.delta)
			_, again, err := tt.module.File(tt.kind)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(content, again), "not the same twice")
		})
	}
	_, _, err := bench.Small.File("list")
	assert.EqualError(t, err, `no file of a module version: "list"`)
}

func TestModuleIsValid(t *testing.T) {
	_, mod, err := bench.Small.File("mod")
	require.NoError(t, err)
	parsed, err := modfile.Parse("go.mod", mod, nil)
	require.NoError(t, err)
	assert.Equal(t, bench.Small.Path, parsed.Module.Mod.Path)

	_, zip, err := bench.Small.File("zip")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "errors.zip")
	require.NoError(t, os.WriteFile(file, zip, 0o600))
	checked, err := modzip.CheckZip(module.Version{Path: bench.Small.Path, Version: bench.Small.Version}, file)
	require.NoError(t, err)
	assert.NoError(t, checked.Err())
}
