// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSecretsOfItsOwnTelemetry: what is written below service::telemetry is upstream's to
// use and to quote in errors, at the start, while it runs and at the stop.
func TestSecretsOfItsOwnTelemetry(t *testing.T) {
	isolate(t)
	for _, listen := range []string{"MODTAP_LISTEN", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN"} {
		t.Setenv(listen, "127.0.0.1:0")
	}
	t.Setenv("MODTAP_EGRESS_UPSTREAM", "http://127.0.0.1:1")
	otlp := func(host string) string {
		return `{otlp: {protocol: http/protobuf, endpoint: "http://us:CANARY-pw@` + host + `/x?token=CANARY-q", headers: [{name: authorization, value: Bearer CANARY-h}]}}`
	}
	own := filepath.Join(t.TempDir(), "own.yaml")
	write := func(host string) {
		require.NoError(t, os.WriteFile(own, []byte("service:\n  telemetry:\n"+
			"    logs: {level: debug, processors: [{batch: {schedule_delay: 100, exporter: "+otlp(host)+"}}]}\n"+
			"    traces: {processors: [{batch: {schedule_delay: 100, exporter: "+otlp(host)+"}}]}\n"+
			"    metrics: {readers: [{periodic: {interval: 200, timeout: 1000, exporter: "+otlp(host)+"}}]}\n"), 0o600))
	}
	args := []string{"--config", "modtap:base", "--config", own}

	write("127.0.0.1:1")
	cmd, r := command(t, append([]string{"run"}, args...)...)
	up(t, r)
	require.Eventually(t, func() bool { return strings.Contains(r.String(), "a library logs") }, time.Minute, 20*time.Millisecond, "%s", r)
	_, healthy := tryGet(t, told(t, r.String(), "health")+"/healthy")
	page := get(t, told(t, r.String(), "metrics"))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait(), "what it couldn't send is an error of the stop")
	assert.Contains(t, r.String(), "failed to upload metrics")
	assert.NotContains(t, r.String()+healthy+page, "CANARY")

	for _, host := range []string{"h ost:1", "h:1/%zz", "[::1", "h:port"} {
		write(host)
		for _, command := range []string{"validate", "run"} {
			code, stdout, stderr := modtap(t, append([]string{command}, args...)...)
			assert.Equal(t, 1, code, "%s %q", command, host)
			assert.NotContains(t, stdout+stderr, "CANARY", "%s %q", command, host)
		}
	}
}
