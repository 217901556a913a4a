// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"bytes"
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

// unanswered are commands of runbooks that have nothing to say after this rehearsal, and why.
var unanswered = map[string]string{
	"journalctl ":      "no unit of systemd runs here",
	"offset 1h unless": "no instance is gone for good",
}

// runbooks runs the first three commands of each runbook as they stand there, once all is over: what somebody pastes at night has to be
// understood by promtool, curl, jq and the rest, and to print something.
func (r *rehearsal) runbooks(t *testing.T) {
	path := []string{os.Getenv("PATH")}
	for _, tool := range []string{"promtool", "curl", "jq", "openssl"} {
		path = append(path, filepath.Dir(backends.Tool(t, tool)))
	}
	t.Setenv("PATH", strings.Join(path, string(os.PathListSeparator)))
	logs := []string{r.embedded.data, filepath.Join(t.TempDir(), "athens")}
	require.NoError(t, os.Mkdir(logs[1], 0o700))
	// The stack's Modtap writes its log to standard output, as in a container.
	var lines strings.Builder
	for line := range strings.Lines(r.stack.Services["modtap"].Output()) {
		if strings.HasPrefix(line, "{") {
			lines.WriteString(line)
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(logs[1], "requests.jsonl"), []byte(lines.String()), 0o600))

	pages, err := filepath.Glob(runbook("*.md"))
	require.NoError(t, err)
	ran := 0
	for _, page := range pages {
		for _, command := range firstCommands(t, page) {
			ran++
			r.answers(t, filepath.Base(page), command, logs)
		}
	}
	alerts, err := rules.Alerts(rules.Default())
	require.NoError(t, err)
	names := map[string]bool{} // one alert is several rules
	for _, a := range alerts {
		names[a.Alert] = true
	}
	assert.Equal(t, 3*len(names), ran, "three commands of each alert's runbook")
}

// firstCommands are the lines of a page's first block of code; a page without one is no alert's.
func firstCommands(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(text), "## First three commands\n\n```\n")
	block, _, _ := strings.Cut(after, "```")
	return strings.FieldsFunc(block, func(c rune) bool { return c == '\n' })
}

// answers runs a command where one of the logs is.
func (r *rehearsal) answers(t *testing.T, page, command string, logs []string) {
	t.Helper()
	for part, reason := range unanswered {
		if strings.Contains(command, part) {
			t.Logf("%s: not run, %s: %s", page, reason, command)
			return
		}
	}
	filled := strings.NewReplacer(
		"http://127.0.0.1:9090", r.stack.Services["prometheus"].URL(9090),
		"http://127.0.0.1:9464", "http://"+r.embedded.page, "http://HOST:9464", "http://"+r.embedded.page,
		"http://127.0.0.1:13133", "http://"+r.embedded.health, "http://HOST:13133", "http://"+r.embedded.health,
		"HOST:443", r.embedded.ingress, "-servername HOST", "-servername localhost",
		"https://UPSTREAM", r.origin.url, "https://SUMDB", r.origin.url+"/sumdb/"+database,
		"MODULE@VERSION", "example.com/tampered0@v1.0.0",
	).Replace(command)
	var stdout, stderr bytes.Buffer
	for _, dir := range logs {
		stdout.Reset()
		stderr.Reset()
		shell := exec.CommandContext(t.Context(), "sh", "-c", filled)
		shell.Dir, shell.Stdout, shell.Stderr = dir, &stdout, &stderr
		shell.Env = append(os.Environ(), "MODTAP_DATA="+r.embedded.data, "MODTAP_TLS_CERT="+r.embedded.cert,
			"GOPATH="+t.TempDir(), "GOMODCACHE=", "GOSUMDB="+r.origin.gosumdb, "GOPRIVATE=*.corp.example", "GONOSUMDB=none", "GOWORK=off")
		err := shell.Run()
		if strings.Contains(command, "go mod download") {
			assert.Contains(t, stderr.String(), "checksum mismatch", "%s: %s", page, command)
			return
		}
		require.NoError(t, err, "%s: %s\n%s", page, filled, &stderr)
		if !strings.Contains(command, "curl -sv") {
			assert.Empty(t, stderr.String(), "%s: %s", page, filled)
		}
		if strings.TrimSpace(stdout.String()) != "" {
			break
		}
	}
	assert.NotEmpty(t, strings.TrimSpace(stdout.String()), "%s: nothing is printed by %s", page, filled)
	t.Logf("%s: %s\n%.500s", page, filled, &stdout)
}
