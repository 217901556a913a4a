// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/test/port"
)

// TestHealthCommand holds what modtap health says of a real Modtap beside it: not there yet, serving, with a broken backend, stopped.
func TestHealthCommand(t *testing.T) {
	isolate(t)
	address := port.Address(t)
	_, number, err := net.SplitHostPort(address)
	require.NoError(t, err)
	t.Setenv("MODTAP_HEALTH_LISTEN", address)
	gone := "modtap: MODTAP_HEALTH_LISTEN: no Modtap answers at http://" + address + "/ready: connection refused; start Modtap, or set the variable to what it has there\n"

	code, stdout, stderr := modtap(t, "health")
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Equal(t, gone, stderr)

	t.Setenv("MODTAP_LISTEN", "127.0.0.1:0")
	t.Setenv("MODTAP_METRICS_LISTEN", "127.0.0.1:0")
	t.Setenv("MODTAP_EGRESS_UPSTREAM", "off")
	backend := port.Address(t)
	t.Setenv("MODTAP_ELASTICSEARCH", "http://"+backend)
	r := start(t)
	up(t, r)
	for _, listen := range []string{address, ":" + number, "0.0.0.0:" + number, "[::]:" + number, "localhost:" + number} {
		t.Setenv("MODTAP_HEALTH_LISTEN", listen)
		code, stdout, stderr = modtap(t, "health")
		assert.Zero(t, code, listen)
		assert.JSONEq(t, `{"status":"ready"}`, stdout, listen)
		assert.Empty(t, stderr, listen)
	}

	t.Setenv("MODTAP_HEALTH_LISTEN", address)
	answer, err := http.Get(told(t, r.String(), "proxy") + "/example.com/m/@v/v1.0.0.info")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	require.Eventually(t, func() bool {
		code, stdout, stderr = modtap(t, "health", "--backends")
		return code == 1
	}, time.Minute, 50*time.Millisecond)
	assert.Contains(t, stdout, `"component": "exporters::elastic"`)
	assert.Contains(t, stdout, backend)
	assert.Equal(t, "modtap: health: http://"+address+"/healthy: 503, unhealthy\n", stderr)
	code, _, _ = modtap(t, "health")
	assert.Zero(t, code, "a backend at fault stops no traffic")

	r.stop()
	assert.Zero(t, <-r.code, r)
	code, _, stderr = modtap(t, "health")
	assert.Equal(t, 1, code)
	assert.Equal(t, gone, stderr)
}

// TestHealthCommandRefuses holds the line for each address at which there is no Modtap to ask.
func TestHealthCommandRefuses(t *testing.T) {
	isolate(t)
	answering := func(status int, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	web, missing := answering(http.StatusOK, "<html>"), answering(http.StatusNotFound, `{"status":"none"}`)
	starting, silent := answering(http.StatusServiceUnavailable, `{"status":"starting or stopping"}`), taken(t)
	const variable, correct = "MODTAP_HEALTH_LISTEN: ", "; set it to what the running Modtap has there"
	for listen, want := range map[string]string{
		"localhost":     variable + `"localhost" isn't an address that can be asked; set it to HOST:PORT, for the running Modtap too`,
		"127.0.0.1:0":   variable + `"127.0.0.1:0" isn't an address that can be asked; set it to HOST:PORT, for the running Modtap too`,
		"127.0.0.1:x y": variable + `no Modtap answers at (URL) y/ready: invalid port "(secret)" after host; start Modtap, or set the variable to what it has there`,
		web:             variable + "what answers at http://" + web + "/ready isn't Modtap's health (status 200)" + correct,
		missing:         variable + "what answers at http://" + missing + "/ready isn't Modtap's health (status 404)" + correct,
		starting:        "health: http://" + starting + "/ready: 503, starting or stopping",
		silent:          variable + "no Modtap answers at http://" + silent + "/ready: no answer within 3s; start Modtap, or set the variable to what it has there",
	} {
		t.Setenv("MODTAP_HEALTH_LISTEN", listen)
		code, _, stderr := modtap(t, "health")
		assert.Equal(t, 1, code, listen)
		assert.Equal(t, "modtap: "+want+"\n", stderr)
	}
}

// TestHealthCommandDefault: what is asked without the variable is what a Modtap without it opens.
func TestHealthCommandDefault(t *testing.T) {
	t.Setenv("MODTAP_HEALTH_LISTEN", "") // so that it is restored
	require.NoError(t, os.Unsetenv("MODTAP_HEALTH_LISTEN"))
	assert.Equal(t, "MODTAP_HEALTH_LISTEN", config.Origin("extensions::health::endpoint", healthDefault))
}

// TestHealthCommandAsProcess holds the exit code that a container platform sees, and how long it takes: it is run every
// few seconds, for as long as Modtap runs.
func TestHealthCommandAsProcess(t *testing.T) {
	isolate(t)
	t.Setenv("MODTAP_HEALTH_LISTEN", port.Address(t))
	cmd, r := command(t, "health")
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit, r)
	assert.Equal(t, 1, exit.ExitCode())

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"status":"ready"}`)) }))
	t.Cleanup(server.Close)
	t.Setenv("MODTAP_HEALTH_LISTEN", strings.TrimPrefix(server.URL, "http://"))
	best := time.Minute
	for range 5 {
		began := time.Now()
		cmd, r := command(t, "health")
		require.NoError(t, cmd.Wait(), r)
		best = min(best, time.Since(began))
	}
	t.Logf("modtap health took %v", best.Round(time.Millisecond))
	// The image's health check allows 5 s (deploy/container/Dockerfile). Other packages' tests run beside this one, with the race detector.
	assert.Less(t, best, 5*time.Second)
}
