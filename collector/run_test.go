// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/modtap/modtap/test/port"
)

func pid() string { return strconv.Itoa(os.Getpid()) }

// up waits until the text of a modtap tells that it runs.
func up(t *testing.T, r interface{ String() string }) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(r.String(), "is running\n") }, time.Minute, 5*time.Millisecond, r.String())
}

func healthy(t *testing.T, address string) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
	require.NoError(t, err)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func TestRun(t *testing.T) {
	data := filepath.Join(isolate(t), "data")
	t.Setenv("MODTAP_DATA", data)
	health := port.Address(t)
	t.Setenv("TEST_HEALTH", health)
	r := start(t, "--config", "testdata/otlp.yaml")
	up(t, r)
	assert.True(t, healthy(t, health))
	info, err := os.Stat(data)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "others may not read what was requested")
	r.stop()
	assert.Zero(t, <-r.code)
	assert.Equal(t, "modtap "+currentVersion()+" is running\n  health   http://"+health+"\n", r.String(), "nothing else at the level warn")
}

// get returns the body of an answer with the status 200.
func get(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, string(body))
	return string(body)
}

// told returns what modtap printed behind a word.
func told(t *testing.T, text, what string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == what {
			return fields[1]
		}
	}
	require.Fail(t, "not told", "%s in %s", what, text)
	return ""
}

func TestRunEmbedded(t *testing.T) {
	data := isolate(t)
	t.Setenv("MODTAP_LISTEN", "127.0.0.1:0")
	t.Setenv("MODTAP_METRICS_LISTEN", port.Address(t))
	t.Setenv("MODTAP_HEALTH_LISTEN", port.Address(t))
	t.Setenv("MODTAP_EGRESS_UPSTREAM", "off")
	r := start(t)
	up(t, r)
	text := r.String()
	assert.Contains(t, text, "Use it:    export GOPROXY="+told(t, text, "proxy")+"\n")
	assert.Equal(t, filepath.Join(data, "requests.jsonl"), told(t, text, "log"))
	get(t, told(t, text, "health"))

	metrics := get(t, told(t, text, "metrics"))
	assert.Contains(t, metrics, "\ngo_goroutines ")
	assert.Regexp(t, `\notelcol_process_uptime_seconds_total\{service_name="modtap"\} `, metrics)
	assert.NotContains(t, metrics, "service_instance_id", "a label that is new at each start")
	_, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:8888")
	require.Error(t, err, "upstream's port for its own metrics is not opened")
	r.stop()
	assert.Zero(t, <-r.code)
	assert.Equal(t, text, r.String(), "nothing else is logged")
}

// command starts this test binary as a modtap process.
func command(t *testing.T, args ...string) (*exec.Cmd, *running) {
	t.Helper()
	r := &running{}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asModtap+"=1")
	cmd.Stderr = r
	require.NoError(t, cmd.Start())
	return cmd, r
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	isolate(t)
	address := port.Address(t)
	t.Setenv("TEST_LISTEN", address)
	cmd, r := command(t, "run", "--config", "testdata/otlp.yaml")
	up(t, r)

	// A request whose body doesn't come keeps the receiver from shutting down.
	body, hold, err := os.Pipe()
	require.NoError(t, err)
	defer hold.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v1/traces", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-protobuf")
	answered := make(chan error, 1)
	go func() {
		answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err == nil {
			err = answer.Body.Close()
		}
		answered <- err
	}()
	_, err = hold.WriteString(" ")
	require.NoError(t, err)
	time.Sleep(100 * time.Millisecond)

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	select {
	case err := <-ended:
		require.Fail(t, "ended while a request was under way", "%v: %s", err, r)
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	select {
	case err := <-ended:
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
	case <-time.After(5 * time.Second):
		require.Fail(t, "the second signal had no effect")
	}
	require.NoError(t, hold.Close())
	require.Error(t, <-answered, "the request was cut off")
}

func TestGate(t *testing.T) {
	logs := func() (*observer.ObservedLogs, *gate, *zap.Logger) {
		core, seen := observer.New(zap.InfoLevel)
		g := &gate{}
		return seen, g, zap.New(core, zap.WrapCore(g.wrap)).With(zap.String("who", "test"))
	}
	seen, g, logger := logs()
	logger.Info("asked for")
	logger.Warn("held")
	logger.Debug("not asked for")
	assert.Equal(t, 1, seen.Len())
	g.release()
	logger.Error("after")
	var messages []string
	for _, entry := range seen.All() {
		messages = append(messages, entry.Message)
		assert.Equal(t, "test", entry.ContextMap()["who"])
	}
	assert.Equal(t, []string{"asked for", "held", "after"}, messages)
}

func TestWelcome(t *testing.T) {
	e := &effective{
		values: map[string]string{
			"receivers::goproxy::ingress::endpoint":  "127.0.0.1:0",
			"exporters::prometheus::endpoint":        "127.0.0.1:9464",
			"exporters::prometheus/unused::endpoint": "127.0.0.1:9465",
			"exporters::jsonlines::path":             "-",
			"exporters::elastic::endpoints":          "https://u:secret@es:9200 http://v:secret@es2:9200",
			"exporters::otlp_http/jaeger::endpoint":  "http://jaeger:4318",
			"extensions::health::endpoint":           "127.0.0.1:13133",
			"extensions::health/other::endpoint":     "127.0.0.1:0",
		},
		used: map[string]bool{
			"receivers::goproxy": true, "exporters::prometheus": true, "exporters::jsonlines": true, "exporters::elastic": true,
			"exporters::otlp_http/jaeger": true, "extensions::health": true,
		},
	}
	p := &places{}
	p.announce("page", "http://127.0.0.1:8080", "")
	p.announce("proxy", "http://[::]:40123", "embedded, caching in /data/goproxy/cache")
	var text strings.Builder
	welcome(&text, "0.1.0", p.all(e))
	assert.Equal(t, `modtap 0.1.0 is running
  proxy         http://[::]:40123   (embedded, caching in /data/goproxy/cache)
  metrics       http://127.0.0.1:9464/metrics
  log           standard output
  health        http://127.0.0.1:13133
  jaeger        http://jaeger:4318
  elasticsearch https://es:9200, http://es2:9200
  page          http://127.0.0.1:8080
Use it:    export GOPROXY=http://127.0.0.1:40123
`, text.String())
}

func TestDescribe(t *testing.T) {
	for in, want := range map[string]string{
		"cannot start pipelines: failed to start \"goproxy\" receiver: upstream: no go command":                        "receivers::goproxy::upstream: no go command",
		"failed to build pipelines: failed to create \"elastic\" exporter for data type \"logs\": no client":           "exporters::elastic: no client",
		"failed to build extensions: failed to create extension \"file_storage\": no room":                             "extensions::file_storage: no room",
		"invalid configuration: receivers::goproxy::upstream: \"x\" isn't a URL; write http://HOST\nreceivers::b: bad": "receivers::goproxy::upstream: \"x\" isn't a URL; write http://HOST; receivers::b: bad",
	} {
		assert.Equal(t, want, describe(errors.New(in), &effective{}))
	}
}
