// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestForgetful: a pipeline of the user's own whose exporter has what it accepted in
// memory only is named at the start. None of ours is.
func TestForgetful(t *testing.T) {
	warning := func(exporter, pipelines string) string {
		return "modtap: warning: exporters::" + exporter + "::sending_queue: it is in memory: a crash loses what waits there of " + pipelines + "; add storage: file_storage to it\n"
	}
	const own = "service:\n  pipelines:\n    logs/mine:\n      receivers: [goproxy]\n      exporters: [EXPORTER]\n    traces/mine:\n      receivers: [goproxy]\n      exporters: [EXPORTER]\n"
	for name, tt := range map[string]struct{ exporter, config, want string }{
		"by default":    {"otlp_http", "endpoint: http://127.0.0.1:1", warning("otlp_http", "logs/mine, traces/mine")},
		"gRPC":          {"otlp_grpc/x", "endpoint: 127.0.0.1:1", warning("otlp_grpc/x", "logs/mine, traces/mine")},
		"elastic":       {"elastic", "endpoints: [http://127.0.0.1:1]", warning("elastic", "logs/mine, traces/mine")},
		"some settings": {"otlp_http", "endpoint: http://127.0.0.1:1\n    sending_queue: {queue_size: 10}", warning("otlp_http", "logs/mine, traces/mine")},
		"on disk":       {"otlp_http", "endpoint: http://127.0.0.1:1\n    sending_queue: {storage: file_storage}", ""},
		"none":          {"otlp_http", "endpoint: http://127.0.0.1:1\n    sending_queue: {enabled: false}", ""},
		"its answer":    {"otlp_http", "endpoint: http://127.0.0.1:1\n    sending_queue: {wait_for_result: true}", ""},
		"a screen":      {"debug", "verbosity: basic", ""},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			file := filepath.Join(t.TempDir(), "mine.yaml")
			text := "exporters:\n  " + tt.exporter + ":\n    " + tt.config + "\n" + strings.ReplaceAll(own, "EXPORTER", tt.exporter)
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			code, _, stderr := modtap(t, "validate", "--config", "modtap:base", "--config", file)
			assert.Zero(t, code)
			assert.Equal(t, tt.want, stderr)
		})
	}

	// What others hand over is theirs to keep.
	isolate(t)
	file := filepath.Join(t.TempDir(), "relay.yaml")
	require.NoError(t, os.WriteFile(file, []byte("receivers:\n  otlp: {protocols: {http: {endpoint: 127.0.0.1:0}}}\nexporters:\n  otlp_http: {endpoint: http://127.0.0.1:1}\n"+
		"service:\n  pipelines:\n    traces/relay:\n      receivers: [otlp]\n      exporters: [otlp_http]\n"), 0o600))
	code, _, stderr := modtap(t, "validate", "--config", "modtap:base", "--config", file)
	assert.Zero(t, code)
	assert.Empty(t, stderr)

	isolate(t)
	t.Setenv("MODTAP_JAEGER", "http://127.0.0.1:1")
	t.Setenv("MODTAP_ELASTICSEARCH", "http://127.0.0.1:1")
	code, _, stderr = modtap(t, "validate")
	assert.Zero(t, code)
	assert.Empty(t, stderr)
}
