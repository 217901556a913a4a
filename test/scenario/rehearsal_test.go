// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/modtap/modtap/dashboards/rules"
)

// scale is by what the windows, waits and intervals of rules and notifications are divided.
const scale = 60

// rehearsed are the committed rules on a fast clock. Besides the scale one minimum differs: a window of 10 s holds fewer attempts of an
// exporter that backs off than one of 10 min.
func rehearsed() rules.Settings {
	s := rules.Default()
	s.Scale = scale
	s.MinSends = 1
	return s
}

// edits are what the services read otherwise than in deploy/compose.
type edits struct {
	t     *testing.T
	rules map[string][]byte
	// embedded is the address of the second Modtap's page, webhook the URL of what is notified.
	embedded, webhook string
}

func newEdits(t *testing.T, embedded, webhook string) *edits {
	t.Helper()
	rendered, err := rules.Render(rehearsed())
	require.NoError(t, err)
	return &edits{t: t, rules: rendered, embedded: embedded, webhook: webhook}
}

// edit is [stack.Options.Edit].
func (e *edits) edit(_, file string, content []byte) []byte {
	switch {
	case file == "/etc/prometheus/prometheus.yml":
		return e.prometheus(content)
	case file == "/etc/alertmanager/alertmanager.yml":
		return e.alertmanager(content)
	case e.rules[path.Base(file)] != nil && path.Dir(file) == "/etc/prometheus/rules":
		return e.rules[path.Base(file)]
	}
	return content
}

// prometheus scrapes and evaluates every second, and scrapes the second Modtap too.
func (e *edits) prometheus(content []byte) []byte {
	text := strings.ReplaceAll(string(content), ": 15s", ": 1s")
	before, after, found := strings.Cut(text, "static_configs: [{targets: [\"127.0.0.1:")
	require.True(e.t, found && strings.Contains(before, "scrape_interval: 1s") && strings.Contains(before, "evaluation_interval: 1s"), "%s", text)
	// The last one is the scrape job's, behind the one of Alertmanager.
	jobs, target, found := strings.Cut(after, "static_configs: [{targets: [\"127.0.0.1:")
	require.True(e.t, found)
	return []byte(before + "static_configs: [{targets: [\"127.0.0.1:" + jobs +
		fmt.Sprintf("static_configs: [{targets: [%q, \"127.0.0.1:", e.embedded) + target)
}

// alertmanager waits on the fast clock, knows office hours day and night, and tells the test.
func (e *edits) alertmanager(content []byte) []byte {
	text := strings.ReplaceAll(string(content), "http://127.0.0.1:9099", e.webhook)
	require.Equal(e.t, 4, strings.Count(text, e.webhook))
	var config map[string]any
	require.NoError(e.t, yaml.Unmarshal([]byte(text), &config))
	e.hasten(config["route"].(map[string]any))
	always := 0
	for _, interval := range config["time_intervals"].([]any) {
		if named := interval.(map[string]any); named["name"] == "office-hours" {
			named["time_intervals"] = []any{map[string]any{"times": []any{map[string]any{"start_time": "00:00", "end_time": "24:00"}}}}
			always++
		}
	}
	require.Equal(e.t, 1, always)
	out, err := yaml.Marshal(config)
	require.NoError(e.t, err)
	return out
}

func (e *edits) hasten(route map[string]any) {
	for _, key := range []string{"group_wait", "group_interval", "repeat_interval"} {
		if text, ok := route[key].(string); ok {
			wait, err := time.ParseDuration(text)
			require.NoError(e.t, err)
			route[key] = (wait / scale).String()
		}
	}
	children, _ := route["routes"].([]any)
	for _, child := range children {
		e.hasten(child.(map[string]any))
	}
}
