// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// maps returns the key of each map and list of a configuration, at any depth.
func mapsOf(path []string, value any) (keys [][]string) {
	switch value := value.(type) {
	case []any:
		return [][]string{path}
	case map[string]any:
		if len(path) > 0 {
			keys = append(keys, path)
		}
		for key, below := range value {
			keys = append(keys, mapsOf(append(slices.Clone(path), key), below)...)
		}
	}
	return keys
}

// TestNothingIsEmptied: a later configuration with a key and nothing behind it, for each
// map and list of the embedded ones and of one with every kind of section.
func TestNothingIsEmptied(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]string{"MODTAP_DATA": dir, "MODTAP_LOG": "-", "MODTAP_JAEGER": "http://h:4318", "MODTAP_ELASTICSEARCH": "http://h:9200"} {
		t.Setenv(name, value)
	}
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	own := write("own.yaml", "processors: {batch: {timeout: 1s}}\nexporters: {otlp/a: {endpoint: x, tls: {insecure: true}, headers: {a: b}}}\n"+
		"connectors: {forward: {a: {b: {c: {d: 1}}}}}\nservice: {pipelines: {traces/x: {receivers: [goproxy], exporters: [otlp/a]}}, telemetry: {logs: {initial_fields: {a: b}}}}\n")
	n := 0
	for _, first := range []string{"base.yaml", "tls.yaml", "jsonlines.yaml", "jaeger.yaml", "elasticsearch.yaml", own} {
		uri, text := first, []byte(nil)
		if first == own {
			text, _ = os.ReadFile(own)
		} else {
			text, _ = files.ReadFile(first)
			uri = write(first, string(text))
		}
		var document map[string]any
		require.NoError(t, yaml.Unmarshal(text, &document))
		for _, key := range mapsOf(nil, document) {
			for _, empty := range []string{"", "null", "~", `"${env:NOTHING}"`} {
				value := any(document)
				for _, part := range key {
					value = value.(map[string]any)[part]
				}
				if _, isList := value.([]any); isList && strings.Contains(empty, "$") {
					continue // A list in the place of a list.
				}
				n++
				nested := strings.Repeat("{", len(key)-1) // JSON's way: {a: {b: }}
				text := strings.ReplaceAll(strings.Join(key, ": "+"\x00"), "\x00", "{") + ": " + empty + strings.Repeat("}", len(nested)) + "\n"
				later := write(fmt.Sprintf("later%d.yaml", n), text)
				between := write("between.yaml", "service: {telemetry: {logs: {development: true}}}\n")
				err := resolveFiles(t, uri, between, later)
				joined := strings.Join(key, "::")
				require.ErrorContains(t, err, "--config "+later+": "+joined+" has no value of its own, and would take away all that --config ", "%s", text)
				// In the other order nothing is lost.
				if empty == "" && first != "tls.yaml" { // There are no certificates.
					require.NoError(t, resolveFiles(t, later, uri), "%s", text)
				}
			}
		}
	}
	assert.Greater(t, n, 100)
	for name, text := range map[string]string{
		"an empty map": "receivers: {goproxy: {}}\n", "no map before": "receivers: {goproxy: {environment: }}\n", "another component": "receivers: {otlp: }\n",
	} {
		require.NoError(t, resolveFiles(t, filepath.Join(dir, "base.yaml"), write("fine.yaml", text)), name)
	}
	err := resolveFiles(t, filepath.Join(dir, "base.yaml"), "yaml:receivers::goproxy: ")
	require.ErrorContains(t, err, "receivers::goproxy has no value of its own")
}
