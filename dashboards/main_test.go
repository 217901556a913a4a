// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/modtap/modtap/dashboards"
)

func TestMain(m *testing.M) {
	plugins.RegisterDefaultPlugins()
	goleak.VerifyTestMain(m)
}

// committed reads the dashboards as Grafana would, and refuses what it doesn't know.
func committed(t *testing.T) map[string]*dashboard.Dashboard {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("grafana", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := map[string]*dashboard.Dashboard{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		d := new(dashboard.Dashboard)
		require.NoError(t, d.UnmarshalJSONStrict(raw), path)
		require.NotNil(t, d.Uid, path)
		require.Equal(t, *d.Uid+".json", filepath.Base(path))
		all[*d.Uid] = d
	}
	return all
}

func queries(t *testing.T) []dashboards.Query {
	t.Helper()
	all, err := dashboards.Queries()
	require.NoError(t, err)
	return all
}
