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

	"github.com/modtap/modtap/dashboards/rules"
	"github.com/modtap/modtap/test/backends"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func TestWriteForAHouseOfItsOwn(t *testing.T) {
	s := rules.Default()
	s.Grafana, s.Runbooks, s.ScrapeJob = "https://grafana.example.com/g", "https://wiki.example.com/modtap/", "go proxy"
	dir := filepath.Join(t.TempDir(), "new", "rules")
	require.NoError(t, rules.Write(dir, s))
	obsolete, foreign := filepath.Join(dir, "former.yaml"), filepath.Join(dir, "ours.yaml")
	content, err := os.ReadFile(filepath.Join(dir, "cache.yaml"))
	require.NoError(t, err)
	write(t, obsolete, string(content))
	write(t, foreign, "groups: []\n")
	require.NoError(t, rules.Write(dir, s), "again")
	assert.NoFileExists(t, obsolete)
	assert.FileExists(t, foreign)

	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	require.NoError(t, err)
	assert.Len(t, files, 6)
	out, err := exec.CommandContext(t.Context(), backends.Tool(t, "promtool"), append([]string{"check", "rules"}, files...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	alerts, err := rules.Alerts(s)
	require.NoError(t, err)
	for _, a := range alerts {
		assert.True(t, strings.HasPrefix(a.Annotations["dashboard"], "https://grafana.example.com/g/d/modtap-"), a.Annotations["dashboard"])
		assert.Equal(t, "https://wiki.example.com/modtap/"+a.Alert+".md", a.Annotations["runbook_url"])
		assert.NotContains(t, a.Expr, `job="modtap"`)
	}
}

func TestWriteTakesNoFilesPlace(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "slo.yaml"), "groups: []\n")
	require.ErrorContains(t, rules.Write(dir, rules.Default()), "slo.yaml isn't a rendered rule file: choose another directory, or move it away")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing is written")
}

func TestSettingsThatMakeNoRules(t *testing.T) {
	for want, change := range map[string]func(*rules.Settings){
		"scale 7 doesn't divide a minute":              func(s *rules.Settings) { s.Scale = 7 },
		"minimum of sends 0 guards no ratio":           func(s *rules.Settings) { s.MinSends = 0 },
		`grafana "https://g.example/" isn't a URL`:     func(s *rules.Settings) { s.Grafana = "https://g.example/" },
		`grafana "grafana.example" isn't a URL`:        func(s *rules.Settings) { s.Grafana = "grafana.example" },
		`runbooks "https://wiki.example" isn't a URL`:  func(s *rules.Settings) { s.Runbooks = "https://wiki.example" },
		`runbooks "https://w.example/{{x}}/" isn't`:    func(s *rules.Settings) { s.Runbooks = "https://w.example/{{x}}/" },
		`job "" isn't the name of a scrape job`:        func(s *rules.Settings) { s.ScrapeJob = "" },
		`job "a\"b" isn't the name of a scrape job`:    func(s *rules.Settings) { s.ScrapeJob = `a"b` },
		"minimum of attempts -1 guards no ratio: take": func(s *rules.Settings) { s.MinAttempts = -1 },
	} {
		s := rules.Default()
		change(&s)
		require.ErrorContains(t, s.Validate(), want)
		dir := filepath.Join(t.TempDir(), "none")
		require.ErrorContains(t, rules.Write(dir, s), want)
		assert.NoDirExists(t, dir)
	}
}
