// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// build is a trace as far as these tests look at it.
type build struct {
	root   backends.Span
	server int // spans of requests to the proxy
	trace  string
}

// builds waits until Jaeger holds n traces with a root of ours, and no spans come
// any more, and returns them, each with its one root.
func builds(tb testing.TB, j *backends.JaegerServer, n int) []build {
	tb.Helper()
	roots := func() (found []build) {
		for _, trace := range j.Traces(tb, "goproxy", 1000) {
			for _, s := range trace.Spans {
				if s.Operation == "go build session" {
					found = append(found, build{root: s, trace: trace.TraceID})
				}
			}
		}
		return found
	}
	require.Eventually(tb, func() bool { return len(roots()) >= n }, 30*time.Second, 200*time.Millisecond, "%d roots", n)
	all := j.Traces(tb, "goproxy", 1000)
	require.Len(tb, all, n, "no other traces")
	found := roots()
	require.Len(tb, found, n, "each with one root")
	for i := range found {
		b := &found[i]
		for _, trace := range all {
			if trace.TraceID != b.trace {
				continue
			}
			known := map[string]bool{}
			for _, s := range trace.Spans {
				known[s.SpanID] = true
			}
			for _, s := range trace.Spans {
				if s.SpanID == b.root.SpanID {
					assert.Empty(tb, s.References, "the root has no parent")
					continue
				}
				if assert.NotEmpty(tb, s.References, "%s has a parent", s.Operation) {
					assert.True(tb, known[s.References[0].SpanID], "%s hangs in the trace", s.Operation)
				}
				if s.Tags["goproxy.side"] == "ingress" && s.Tags["span.kind"] == "server" {
					b.server++
					assert.Equal(tb, b.root.SpanID, s.References[0].SpanID)
				}
			}
		}
	}
	return found
}

// gomod is a go.mod that requires v1.0.0 of each module.
func gomod(modules ...string) []byte {
	var b strings.Builder
	b.WriteString("module example.com/main\n\ngo 1.26\n\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "require %s v1.0.0\n", m)
	}
	return []byte(b.String())
}

// TestInferredSession: one go mod download over plain HTTP is one trace with one
// root, and its log lines name the session.
func TestInferredSession(t *testing.T) {
	j := backends.Jaeger(t)
	m := start(t, []string{"MODTAP_JAEGER=" + j.OTLPHTTP})
	t.Cleanup(func() { m.explainSessions() })
	const many = 120
	c := newClient(t, m.proxy, moduleOf(t, many))
	n := c.download()
	require.Greater(t, n, 2*many)
	b := builds(t, j, 1)[0]
	assert.Equal(t, n, b.server)
	assert.EqualValues(t, n, b.root.Tags["goproxy.session.requests"])
	assert.Equal(t, true, b.root.Tags["goproxy.session.inferred"])
	assert.Equal(t, "internal", b.root.Tags["span.kind"])
	assert.InDelta(t, 0, b.root.Tags["goproxy.session.hit_ratio"], 0, "a cold cache")
	assert.NotEmpty(t, b.root.Tags["goproxy.session.slowest.module"])
	assert.Equal(t, "127.0.0.1", b.root.Tags["client.address"])
	var bytes int64
	for _, d := range m.documents() {
		assert.Equal(t, b.trace, d.Goproxy.Session.ID)
		assert.Equal(t, b.trace, d.Trace.ID)
		bytes += d.HTTP.Response.Body.Bytes
	}
	assert.EqualValues(t, bytes, b.root.Tags["goproxy.session.transferred"])
	require.Eventually(t, func() bool {
		_, page := get(t, "http://"+m.metrics+"/metrics")
		return strings.Contains(string(page), `goproxy_session_requests_count{goproxy_session_inferred="true"`) &&
			strings.Contains(string(page), `goproxy_session_duration_seconds_count{goproxy_session_inferred="true"`)
	}, 5*time.Second, 100*time.Millisecond)

	// The same again, after the gap: another session, and all hits.
	c.forget()
	c.download()
	for _, b := range builds(t, j, 2) {
		if b.root.Tags["goproxy.session.hit_ratio"] != int64(0) && b.root.Tags["goproxy.session.hit_ratio"] != float64(0) {
			assert.InDelta(t, 1, b.root.Tags["goproxy.session.hit_ratio"], 0, "a warm cache")
		}
	}
}

// explainSessions tells on a failure which requests began each session, and on which
// connections.
func (m *modtap) explainSessions() {
	if !m.tb.Failed() {
		return
	}
	sessions := map[string][]document{}
	var order []string
	for _, d := range m.documents() {
		id := d.Goproxy.Session.ID
		if sessions[id] == nil {
			order = append(order, id)
		}
		sessions[id] = append(sessions[id], d)
	}
	for _, id := range order {
		ports := map[int]int{}
		for _, d := range sessions[id] {
			ports[d.Client.Port]++
		}
		m.tb.Logf("session %s: %d requests, by port %v", id, len(sessions[id]), ports)
		for _, d := range sessions[id][:min(5, len(sessions[id]))] {
			m.tb.Logf("  %s + %s :%d %s %d", d.Timestamp.Format("15:04:05.000000"), time.Duration(d.Event.Duration), d.Client.Port, d.URL.Path, d.HTTP.Response.StatusCode)
		}
	}
}

// TestSessionsOverHTTPS: users of one address are told apart, a job's requests are
// one trace under the root that modtap-goauth names, and a download that is longer
// than the idle gap splits nothing.
func TestSessionsOverHTTPS(t *testing.T) {
	j := backends.Jaeger(t)
	goauth := filepath.Join(t.TempDir(), "modtap-goauth")
	out, err := exec.Command("go", "build", "-o", goauth, "../../cmd/modtap-goauth").CombinedOutput()
	require.NoError(t, err, "%s", out)
	o := newOrigin(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		o.add(t, "example.com/"+name, 10_000)
	}
	cert, key := selfSigned(t)
	m := start(t, append(o.goproxy(), "MODTAP_TLS_CERT="+cert, "MODTAP_TLS_KEY="+key, "MODTAP_JAEGER="+j.OTLPHTTP), "run",
		"--set", "receivers.goproxy.sessions.idle_gap=2s", "--set", "receivers.goproxy.chain.retry.max_retries=0",
		"--set", "receivers.goproxy.client_identity=full")
	host := strings.TrimPrefix(m.proxy, "https://")
	environment := []string{"SSL_CERT_FILE=" + cert, "GOSUMDB=off", "GOAUTH=off"}

	t.Run("two users at once", func(t *testing.T) {
		requests := map[string]int{}
		var mu sync.Mutex
		var running sync.WaitGroup
		for _, user := range []string{"ann", "bob"} {
			c := newClient(t, "https://"+user+":secret@"+host, gomod("example.com/a", "example.com/b"), environment...)
			running.Go(func() {
				n := c.download()
				mu.Lock()
				defer mu.Unlock()
				requests[user] = n
			})
		}
		running.Wait()
		seen := map[string]int{}
		for _, b := range builds(t, j, 2) {
			seen[fmt.Sprint(b.root.Tags["user.name"])] = b.server
		}
		assert.Equal(t, requests, seen)
		text, err := os.ReadFile(m.log)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "secret")
	})

	t.Run("a job of modtap-goauth with a long download", func(t *testing.T) {
		o.mu.Lock()
		o.delay = 8 * time.Second
		o.mu.Unlock()
		netrc := filepath.Join(t.TempDir(), "netrc")
		require.NoError(t, os.WriteFile(netrc, []byte("machine "+host+" login runner password secret\n"), 0o600))
		c := newClient(t, m.proxy, gomod("example.com/c", "example.com/d"), append(environment,
			"GOAUTH="+goauth+" "+m.proxy+";netrc", "NETRC="+netrc, "CI=true", "GITLAB_CI=true", "CI_PROJECT_PATH=group/project", "CI_PIPELINE_ID=4711",
			"CI_JOB_NAME=unit tests", "CI_JOB_ID=4712", "CI_JOB_URL=https://gitlab.example/jobs/4712")...)
		n := c.download()
		var job *build
		for _, b := range builds(t, j, 3) {
			if b.root.Tags["goproxy.session.inferred"] == false {
				job = &b
			}
		}
		require.NotNil(t, job)
		assert.Equal(t, n, job.server)
		assert.EqualValues(t, n, job.root.Tags["goproxy.session.requests"])
		assert.Greater(t, time.Duration(job.root.Duration)*time.Microsecond, 8*time.Second)
		assert.Equal(t, "runner", job.root.Tags["user.name"], "what netrc has is sent as well")
		assert.Equal(t, "gitlab", job.root.Tags["goproxy.ci.system"])
		assert.Equal(t, "group/project", job.root.Tags["cicd.pipeline.name"])
		assert.Equal(t, "4711", job.root.Tags["cicd.pipeline.run.id"])
		assert.Equal(t, "unit tests", job.root.Tags["cicd.pipeline.task.name"])
		assert.Equal(t, "https://gitlab.example/jobs/4712", job.root.Tags["cicd.pipeline.task.run.url.full"])
		assert.Equal(t, "zip", slowestOperation(m.documents()))
	})
}

// TestGoauthCommand: modtap goauth answers as modtap-goauth does.
func TestGoauthCommand(t *testing.T) {
	out, err := command(t.TempDir(), []string{"CI=true", "JOB_NAME=build"}, "goauth", "https://proxy.example").Output()
	require.NoError(t, err)
	assert.Regexp(t, "^https://proxy.example\n\nTraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\nTracestate: modtap=root\nModtap-Owner: [0-9a-f]{32}\nModtap-Ci-System: ", string(out))
	out, err = command(t.TempDir(), nil, "goauth", "proxy.example").CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), `"proxy.example" is no https:// URL`)
}

func slowestOperation(docs []document) (operation string) {
	var longest int64
	for _, d := range docs {
		if d.Event.Duration > longest {
			longest, operation = d.Event.Duration, d.Goproxy.Operation
		}
	}
	return operation
}
