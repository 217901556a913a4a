// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/goauth"
	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/built"
)

// alone is a client that keeps no connection, so that no goroutine is left.
var alone = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// build builds modtap as the README says.
func build(tb testing.TB) string {
	tb.Helper()
	binary, err := built.Modtap(tb.Context(), filepath.Join("..", ".."), tb.TempDir())
	require.NoError(tb, err)
	return binary
}

// modtap is a running Modtap; its output grows while it runs.
type modtap struct {
	tb     testing.TB
	url    string // of the ingress
	egress string // empty: it has none
	mu     sync.Mutex
	output bytes.Buffer
}

// Write collects what the process prints.
func (m *modtap) Write(text []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.output.Write(text)
}

func (m *modtap) printed() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.output.String()
}

// listenerLine is where modtap says that it listens.
var listenerLine = regexp.MustCompile(`(?m)^ +(proxy|egress) +(\S+)`)

// start runs modtap until the test ends, with these variables and no others of ours.
func start(tb testing.TB, binary, config string, env ...string) *modtap {
	tb.Helper()
	dir := tb.TempDir()
	file := filepath.Join(dir, "config.yaml")
	require.NoError(tb, os.WriteFile(file, []byte(config), 0o600))
	command := exec.Command(binary, "run", "--config", "modtap:base", "--config", "modtap:jaeger", "--config", "modtap:elasticsearch", "--config", file)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MODTAP_") && !strings.HasSuffix(strings.ToUpper(strings.SplitN(v, "=", 2)[0]), "_PROXY") {
			command.Env = append(command.Env, v)
		}
	}
	command.Env = append(command.Env, "MODTAP_DATA="+filepath.Join(dir, "data"), "MODTAP_LISTEN=127.0.0.1:0",
		"MODTAP_METRICS_LISTEN=127.0.0.1:0", "MODTAP_HEALTH_LISTEN=127.0.0.1:0", "MODTAP_ENVIRONMENT=test")
	command.Env = append(command.Env, env...)
	m := &modtap{tb: tb}
	command.Stdout, command.Stderr = m, m
	require.NoError(tb, command.Start())
	tb.Cleanup(func() {
		assert.NoError(tb, command.Process.Signal(os.Interrupt))
		_ = command.Wait() // its output says why
		if tb.Failed() {
			tb.Logf("modtap printed:\n%s", m.printed())
		}
	})
	backends.Await(tb, 60*time.Second, "modtap to say where it is", func() bool { return strings.Contains(m.printed(), "export GOPROXY=") })
	for _, found := range listenerLine.FindAllStringSubmatch(m.printed(), -1) {
		if found[1] == "proxy" {
			m.url = found[2]
		} else {
			m.egress = found[2]
		}
	}
	require.NotEmpty(tb, m.url, m.printed())
	return m
}

// ask sends a GET with headers (name, value, ...), wants this status, and counts as one document.
func (m *modtap) ask(status int, path string, headers ...string) int {
	m.tb.Helper()
	return m.askAt(m.url, status, path, headers...)
}

func (m *modtap) askAt(listener string, status int, path string, headers ...string) int {
	m.tb.Helper()
	request, err := http.NewRequest(http.MethodGet, listener+path, http.NoBody)
	require.NoError(m.tb, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := alone.Do(request)
	require.NoError(m.tb, err)
	answer, err := io.ReadAll(response.Body)
	require.NoError(m.tb, err)
	require.NoError(m.tb, response.Body.Close())
	assert.Equal(m.tb, status, response.StatusCode, "%s: %.200s", path, answer)
	return 1
}

// newOrigin is a GOPROXY with the faults that panels are there for. A list that is in listed already fails.
func newOrigin(tb testing.TB, listed *sync.Map) *httptest.Server {
	tb.Helper()
	var recovered sync.Map // what was asked for once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		module, file, found := strings.Cut(r.URL.Path, "/@v/")
		if strings.Contains(module, "flaky") {
			if _, before := recovered.LoadOrStore(r.URL.Path, true); !before {
				http.Error(w, "not now", http.StatusServiceUnavailable)
				return
			}
		}
		switch {
		case !found, strings.Contains(module, "missing"), strings.HasPrefix(module, "/git.corp.example"):
			http.Error(w, "not found: no such module", http.StatusNotFound)
		case strings.Contains(module, "tampered"):
			http.Error(w, "not found: verifying module: checksum mismatch", http.StatusNotFound)
		case strings.Contains(module, "broken"):
			http.Error(w, "the disk is full", http.StatusInternalServerError)
		case strings.Contains(module, "hanging"):
			<-r.Context().Done()
		case file == "list":
			if _, before := listed.LoadOrStore(module, true); before {
				http.Error(w, "too busy", http.StatusInternalServerError)
				return
			}
			fmt.Fprintln(w, "v1.0.0")
		case strings.HasSuffix(file, ".info"):
			fmt.Fprintf(w, `{"Version":%q,"Time":"2024-01-02T03:04:05Z"}`, strings.TrimSuffix(file, ".info"))
		case strings.HasSuffix(file, ".mod"):
			fmt.Fprintf(w, "module %s\n", strings.TrimPrefix(module, "/"))
		default:
			if strings.Contains(module, "slow") {
				time.Sleep(700 * time.Millisecond)
			}
			_, _ = w.Write(moduleZip(tb, strings.TrimPrefix(module, "/"), strings.TrimSuffix(file, ".zip")))
		}
	}))
	tb.Cleanup(server.Close)
	return server
}

// ciTrace is the trace that the CI job of [traffic] names.
const ciTrace = "0af7651916cd43dd8448eb211c80319c"

// ciRequests is how many requests that job makes.
const ciRequests = 3

// traffic asks two Modtaps, an embedded proxy and the neighbour of another proxy, for what each panel shows something of, and returns
// how many documents there have to be.
func traffic(t *testing.T, binary string, env ...string) (documents int) {
	t.Helper()
	own, public, neighbour := newOrigin(t, new(sync.Map)), newOrigin(t, new(sync.Map)), newOrigin(t, new(sync.Map))
	embedded := start(t, binary, `
receivers:
  goproxy:
    leak_patterns: "*.corp.example"
    trusted_proxies: [127.0.0.1/32]
    client_identity: full
    chain:
      response_header_timeout: 1s
      retry: {max_retries: 0}
      circuit_breaker: {consecutive_failures: 0}
`, append([]string{
		"MODTAP_EGRESS_UPSTREAM=" + own.URL + ",http://public.example", "GOSUMDB=off", "GONOSUMDB=*", "GONOPROXY=none",
		"HTTP_PROXY=" + public.URL, // the name public.example means that one
	}, env...)...)
	athens := start(t, binary, "receivers: {goproxy: {service_name: athens}}\n", append([]string{
		"MODTAP_UPSTREAM=" + neighbour.URL, "MODTAP_EGRESS_LISTEN=127.0.0.1:0", "MODTAP_EGRESS_UPSTREAM=" + own.URL,
	}, env...)...)

	ci := []string{
		"Traceparent", "00-" + ciTrace + "-b7ad6b7169203331-01", "Tracestate", "modtap=root", "X-Forwarded-For", "192.0.2.7",
		goauth.HeaderSystem, "gitlab", goauth.HeaderPipeline, "shop/web", goauth.HeaderPipelineRun, "41", goauth.HeaderPipelineURL, "https://ci.example/41",
		goauth.HeaderJob, "test", goauth.HeaderJobRun, "412", goauth.HeaderJobURL, "https://ci.example/41/412",
	}
	documents += embedded.ask(http.StatusOK, "/example.com/web/@v/v1.0.0.zip", ci...)
	documents += embedded.ask(http.StatusBadGateway, "/example.com/broken/@v/v1.0.0.mod", ci...)
	documents += embedded.ask(http.StatusNotFound, "/example.com/missing/@v/v1.0.0.info", ci...)

	alice := &http.Request{Header: http.Header{}}
	alice.SetBasicAuth("alice", "secret")
	user := []string{"Authorization", alice.Header.Get("Authorization"), "X-Forwarded-For", "192.0.2.1"}
	for _, file := range []string{"v1.0.0.info", "v1.0.0.mod", "v1.0.0.zip", "v1.0.0.zip", "v1.1.0.info", "v1.1.0.info", "list", "list"} {
		documents += embedded.ask(http.StatusOK, "/example.com/web/@v/"+file, user...) // the second list fails upstream: stale
	}
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() { embedded.ask(http.StatusOK, "/example.com/slow/@v/v1.0.0.zip", "X-Forwarded-For", "192.0.2.2") })
		documents++
	}
	wait.Wait()
	documents += embedded.ask(http.StatusGatewayTimeout, "/example.com/hanging/@v/v1.0.0.mod", user...)
	documents += embedded.ask(http.StatusNotFound, "/git.corp.example/secret/@v/v1.0.0.mod", user...)
	documents += athens.ask(http.StatusNotFound, "/example.com/tampered/@v/v1.0.0.mod")
	documents += athens.ask(http.StatusOK, "/example.com/web/@v/v1.0.0.zip", "User-Agent", "curl/7.88.1")
	require.NotEmpty(t, athens.egress, athens.printed())
	for _, module := range []string{"web", "flaky"} { // as the neighbour would
		documents += athens.askAt(athens.egress, http.StatusOK, "/example.com/"+module+"/@v/v1.2.0.mod")
	}
	return documents
}
