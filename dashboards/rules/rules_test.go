// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards"
	"github.com/modtap/modtap/dashboards/rules"
	"github.com/modtap/modtap/test/backends"
)

func TestRenderIsCommitted(t *testing.T) {
	files, err := rules.Render(rules.Default())
	require.NoError(t, err)
	committed, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	assert.Len(t, committed, len(files), "run go generate ./dashboards/rules")
	for name, want := range files {
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s: run go generate ./dashboards/rules", name)
	}
}

// TestRules lets promtool read the rules and run their tests.
func TestRules(t *testing.T) {
	promtool := backends.Tool(t, "promtool")
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), promtool, append([]string{"check", "rules"}, files...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	tests, err := filepath.Glob(filepath.Join("tests", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, tests)
	for _, file := range tests {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), promtool, "test", "rules", filepath.Base(file))
			cmd.Dir = "tests"
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}

// TestAlerts holds each alert against its runbook and its tests: it fires, stays
// silent on what looks alike, and resolves.
func TestAlerts(t *testing.T) {
	s := rules.Default()
	alerts, err := rules.Alerts(s)
	require.NoError(t, err)
	require.NotEmpty(t, alerts)
	index, err := os.ReadFile(filepath.Join("..", "runbooks", "README.md"))
	require.NoError(t, err)
	for _, a := range alerts {
		assert.NotEmpty(t, a.Labels["severity"], a.Alert)
		assert.NotEmpty(t, a.Labels["team"], a.Alert)
		assert.NotEmpty(t, a.Annotations["summary"], a.Alert)
		page, found := strings.CutPrefix(a.Annotations["runbook_url"], s.Runbooks)
		require.True(t, found, a.Alert)
		text, err := os.ReadFile(filepath.Join("..", "runbooks", page))
		require.NoError(t, err)
		for _, part := range []string{"# " + a.Alert + "\n", "## First three commands", "## Telling the causes apart", "## Ending it", "rca-template.md"} {
			assert.Contains(t, string(text), part, page)
		}
		assert.Contains(t, string(index), "("+page+")", "add it to dashboards/runbooks/README.md")
		tests, err := os.ReadFile(filepath.Join("tests", a.Alert+".yaml"))
		require.NoError(t, err)
		for _, kind := range []string{"fires", "silent", "resolves"} {
			assert.Contains(t, string(tests), kind+":", a.Alert)
		}
	}
}

// TestNames refuses a metric or a label that nothing emits, and nothing records.
func TestNames(t *testing.T) {
	files, err := rules.Table(rules.Default())
	require.NoError(t, err)
	recorded := make(map[string]bool)
	var expressions []string
	for _, f := range files {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				if r.Record != "" {
					recorded[r.Record] = true
				}
				expressions = append(expressions, r.Expr)
			}
		}
	}
	emitted, err := dashboards.Emitted()
	require.NoError(t, err)
	for _, expression := range expressions {
		e, err := dashboards.Read(expression)
		require.NoError(t, err, expression)
		for _, s := range e.Selectors {
			if recorded[s.Metric] {
				continue
			}
			m, ok := emitted[s.Metric]
			assert.True(t, ok, "%s: no code emits %s", expression, s.Metric)
			for _, label := range s.Labels {
				assert.Contains(t, m.Labels, label, "%s: %s has no such label", expression, s.Metric)
			}
		}
	}
}
