// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// TestJaegerThrift runs the README's complete configuration against a Jaeger.
func TestJaegerThrift(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "exporters", "jaegerexporter", "README.md"))
	require.NoError(t, err)
	_, example, found := strings.Cut(string(readme), "```yaml\n")
	require.True(t, found)
	example, _, _ = strings.Cut(example, "```")
	jaeger := backends.Jaeger(t)
	const endpoint = "http://localhost:14268"
	require.Contains(t, example, endpoint)
	file := filepath.Join(t.TempDir(), "thrift.yaml")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(example, endpoint, jaeger.Thrift, 1)), 0o600))

	m := start(t, nil, "run", "--config", "modtap:base", "--config", file)
	got := <-getting(m.proxy + "/github.com/pkg/errors/@v/v0.9.1.info")
	require.NoError(t, got.err)
	require.Equal(t, 200, got.status)

	backends.Await(t, time.Minute, "the request's span", func() bool {
		for _, trace := range jaeger.Traces(t, "goproxy", 10) {
			for _, span := range trace.Spans {
				if span.Operation == "GET /{module}/@v/{version}.info" && span.Tags["span.kind"] == "server" {
					return true
				}
			}
		}
		return false
	})
}
