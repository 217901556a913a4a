// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

const committed = "../../dashboards/rules"

// longBlocks makes few blocks, for promtool reads the whole file and asks each rule once for each of them. It is a hidden option, and
// the longest blocks that a minute between evaluations allows: a query returns at most 11,000 points.
const longBlocks = "--max-block-duration=162h"

// createBlocks runs promtool tsdb create-blocks-from openmetrics or rules.
func createBlocks(tb testing.TB, kind, source string, arguments ...string) {
	tb.Helper()
	began := time.Now()
	arguments = append([]string{"tsdb", "create-blocks-from", "--quiet", longBlocks, kind, source}, arguments...)
	out, err := exec.CommandContext(tb.Context(), backends.Tool(tb, "promtool"), arguments...).CombinedOutput()
	require.NoError(tb, err, "%s", out)
	// The rules importer only logs a rule that can't be evaluated.
	require.NotContains(tb, strings.ToLower(string(out)), "error", "%s", out)
	tb.Logf("%6.1f s  promtool tsdb create-blocks-from %s, %s", time.Since(began).Seconds(), kind, filepath.Base(source))
}

// backfill returns a directory of blocks: the raw series up to end, and what the committed rules record of them. promtool 2.42 says that it
// leaves alerts out, but records their expressions under their names; nothing reads these.
func backfill(tb testing.TB, end time.Time) string {
	tb.Helper()
	raw := filepath.Join(tb.TempDir(), "raw.om")
	began := time.Now()
	samples := writeOpenMetrics(tb, raw, end)
	info, err := os.Stat(raw)
	require.NoError(tb, err)
	tb.Logf("%6.1f s  %d samples of %d proxies written, %d MB of OpenMetrics up to %s",
		time.Since(began).Seconds(), samples, len(proxies()), info.Size()>>20, end.Format(time.TimeOnly))

	blocks := tb.TempDir()
	createBlocks(tb, "openmetrics", raw, blocks)
	server := serve(tb, backends.DebianPrometheus(tb), blocks, nil)
	defer server.Stop()
	for run := range 2 {
		if run > 0 {
			server.Restart() // reads the blocks of the first run
		}
		for file, since := range map[string]time.Duration{"cache.yaml": week + 36*time.Hour, "slo.yaml": 3*day + time.Hour} {
			createBlocks(tb, "rules", filepath.Join(committed, file), "--url", server.URL, "--output-dir", blocks,
				"--start", strconv.FormatInt(end.Add(-since).Unix(), 10), "--end", strconv.FormatInt(end.Unix(), 10))
		}
	}
	return blocks
}

// lasting is the line of an alert that says for how long it must hold.
var lasting = regexp.MustCompile(`(?m)^ +for: \S+\n`)

// hasty copies all committed rule files without "for:", the one thing that isn't real here, and returns their pattern.
func hasty(tb testing.TB) (pattern string, removed int) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(committed, "*.yaml"))
	require.NoError(tb, err)
	require.NotEmpty(tb, files)
	dir := tb.TempDir()
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(tb, err)
		removed += len(lasting.FindAll(text, -1))
		require.NoError(tb, os.WriteFile(filepath.Join(dir, filepath.Base(file)), lasting.ReplaceAll(text, nil), 0o644))
	}
	assert.Positive(tb, removed)
	return filepath.Join(dir, "*.yaml"), removed
}

// serve starts a Prometheus on blocks. It scrapes nothing.
func serve(tb testing.TB, program backends.Program, blocks string, ruleFiles []string) *backends.PrometheusServer {
	tb.Helper()
	var text strings.Builder
	text.WriteString("scrape_configs: []\nrule_files:\n")
	for _, file := range ruleFiles {
		text.WriteString("- " + strconv.Quote(file) + "\n")
	}
	config := filepath.Join(tb.TempDir(), "prometheus.yml")
	require.NoError(tb, os.WriteFile(config, []byte(text.String()), 0o644))
	address := port.Address(tb)
	url := "http://" + address
	server := backends.Launch(tb, "Prometheus on blocks", program, []string{
		"--config.file", config, "--storage.tsdb.path", blocks, "--web.listen-address", address, "--log.level=error",
	}, nil, backends.Answers(url+"/-/ready"))
	server.URL = url
	return &backends.PrometheusServer{Server: server}
}
