// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
)

// goSum is every module version of this project's own go.sum.
func goSum(t testing.TB) []module.Version {
	data, err := os.ReadFile("../../go.sum")
	require.NoError(t, err)
	var versions []module.Version
	seen := make(map[module.Version]bool)
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		require.Len(t, fields, 3)
		v := module.Version{Path: fields[0], Version: strings.TrimSuffix(fields[1], "/go.mod")}
		if !seen[v] {
			seen[v] = true
			versions = append(versions, v)
		}
	}
	require.NotEmpty(t, versions)
	return versions
}

func TestGoSumThereAndBack(t *testing.T) {
	for _, v := range goSum(t) {
		path, err := module.EscapePath(v.Path)
		require.NoError(t, err)
		version, err := module.EscapeVersion(v.Version)
		require.NoError(t, err)

		for _, prefix := range []string{"", "/api/go/repo"} {
			for file, want := range map[string]Request{
				path + "/@v/list":                 {Operation: List, Module: v.Path},
				path + "/@latest":                 {Operation: Latest, Module: v.Path},
				path + "/@v/" + version + ".info": {Operation: Info, Module: v.Path, Version: v.Version},
				path + "/@v/" + version + ".mod":  {Operation: Mod, Module: v.Path, Version: v.Version},
				path + "/@v/" + version + ".zip":  {Operation: Zip, Module: v.Path, Version: v.Version},
				path + "/@v/master.info":          {Operation: Query, Module: v.Path, Version: "master"},
				"sumdb/sum.golang.org/lookup/" + path + "@" + version: {
					Operation: SumDB, Module: v.Path, Version: v.Version, SumDB: "sum.golang.org", SumDBKind: SumDBLookup,
				},
			} {
				want.Prefix = prefix
				got := Parse(prefix + "/" + file)
				assert.Equal(t, want, got)
				assert.Equal(t, file, got.File())
				if got.Version != "" {
					assert.Equal(t, module.IsPseudoVersion(got.Version), got.Pseudo(), got.Version)
					assert.Equal(t, strings.HasSuffix(got.Version, "+incompatible"), got.Incompatible(), got.Version)
				}
			}
		}
	}
}
