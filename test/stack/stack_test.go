// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// TestStack: a build through the stack is in every backend that the compose file names, by the configurations that it mounts.
func TestStack(t *testing.T) {
	s := Start(t, Options{})
	for name, service := range s.Services {
		t.Logf("%s (%s) runs as %s", name, service.Image, service.Runs)
	}
	assert.Equal(t, []string{"grafana", "kibana", "kibana-objects"}, s.Absent)
	url := func(service string, port int) string { return s.Services[service].URL(port) }

	download(t, url("modtap", 8081))

	var traces struct{ Data []json.RawMessage }
	backends.Await(t, 60*time.Second, "a trace in Jaeger", func() bool {
		return get(t, url("jaeger", 16686)+"/api/traces?service=athens", &traces) && len(traces.Data) > 0
	})
	var found struct{ Count int }
	backends.Await(t, 60*time.Second, "documents of both sides in Elasticsearch", func() bool {
		return get(t, url("elasticsearch", 9200)+"/modtap-requests-*/_count?q=goproxy.side:egress", &found) && found.Count > 0 &&
			get(t, url("elasticsearch", 9200)+"/modtap-requests-*/_count?q=goproxy.side:ingress", &found) && found.Count > 0
	})
	var vector struct {
		Data struct{ Result []json.RawMessage }
	}
	backends.Await(t, 60*time.Second, "requests in Prometheus, from the proxy's name on", func() bool {
		return get(t, url("prometheus", 9090)+`/api/v1/query?query=http_server_request_duration_seconds_count{job="athens",deployment_environment_name=""}>0`, &vector) &&
			len(vector.Data.Result) > 0
	})
	rulesRun(t, url("prometheus", 9090))
	var config struct{ Config struct{ Original string } }
	require.True(t, get(t, url("alertmanager", 9093)+"/api/v2/status", &config))
	assert.Contains(t, config.Config.Original, "GoproxyUpstreamDown", "the example's configuration")
	var managers struct {
		Data struct{ ActiveAlertmanagers []struct{ URL string } }
	}
	require.True(t, get(t, url("prometheus", 9090)+"/api/v1/alertmanagers", &managers))
	require.Len(t, managers.Data.ActiveAlertmanagers, 1)
	assert.Contains(t, managers.Data.ActiveAlertmanagers[0].URL, s.Services["alertmanager"].Address(9093))
}

// rulesRun: every rule of every committed file is evaluated without a fault.
func rulesRun(t *testing.T, prometheus string) {
	t.Helper()
	var rules struct {
		Data struct {
			Groups []struct {
				File  string
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "dashboards", "rules", "*.yaml"))
	require.NoError(t, err)
	backends.Await(t, 90*time.Second, "every rule to be evaluated", func() bool {
		require.True(t, get(t, prometheus+"/api/v1/rules", &rules))
		for _, group := range rules.Data.Groups {
			for _, rule := range group.Rules {
				require.NotEqual(t, "err", rule.Health, "%s: %s", rule.Name, rule.LastError)
				if rule.Health != "ok" {
					return false
				}
			}
		}
		return len(rules.Data.Groups) >= len(files)
	})
}

// download lets the real go command fetch a module and what it needs.
func download(t *testing.T, proxy string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/build\n\ngo 1.26\n\nrequire github.com/pkg/errors v0.9.1\n"), 0o600))
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "all")
	command.Dir = dir
	// Athens asks a checksum database for its clients itself, past every list, and it may not be in reach.
	command.Env = append(os.Environ(), "GOPROXY="+proxy, "GONOSUMDB=*", "GOMODCACHE="+filepath.Join(dir, "modcache"), "GOFLAGS=-mod=mod -modcacherw", "GOWORK=off")
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// get reports whether a GET was answered with success, and decodes the answer.
func get(t *testing.T, url string, into any) bool {
	t.Helper()
	response, err := http.Get(strings.ReplaceAll(url, `"`, "%22"))
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		return false
	}
	require.NoError(t, json.Unmarshal(body, into), "%s", body)
	return true
}

// TestMakeStack runs what `make stack` runs, and ends it as Ctrl-C does: nothing of it is left.
func TestMakeStack(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "stack")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./run").CombinedOutput()
	require.NoError(t, err, "%s", out)
	temp := t.TempDir()
	command := exec.CommandContext(t.Context(), binary, "-published=false")
	command.Env = append(os.Environ(), "TMPDIR="+temp)
	var printed output
	command.Stdout, command.Stderr = &printed, &printed
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Kill() })
	backends.Await(t, 2*time.Minute, "the links", func() bool {
		require.Empty(t, ended, "it goes on:\n%s", printed.String())
		return strings.Contains(printed.String(), "Ctrl-C ends it")
	})
	t.Log(printed.String())
	children := descendants(t, command.Process.Pid)
	assert.GreaterOrEqual(t, len(children), 6)

	require.NoError(t, command.Process.Signal(os.Interrupt))
	select {
	case err := <-ended:
		require.NoError(t, err, "%s", printed.String())
	case <-time.After(time.Minute):
		t.Fatalf("it doesn't end:\n%s", printed.String())
	}
	for _, pid := range children {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "process %d is left", pid)
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Empty(t, left, "files are left")
}
