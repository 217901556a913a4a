// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
	"github.com/modtap/modtap/test/stack"
)

// rehearsal is all that runs.
type rehearsal struct {
	t        *testing.T
	origin   *origin
	pager    *pager
	stack    *stack.Stack
	athens   *client
	embedded *embedded
	began    time.Time
	// pending are what steps that are over may still be heard of.
	pending []string
	// heard are all alerts that were told of, by key, rows what became of the steps, and payload what the webhook got first.
	heard   map[string]notification
	rows    []string
	payload string
	// tables are what came of it, for people.
	tables []string
}

func TestMain(m *testing.M) {
	plugins.RegisterDefaultPlugins() // the dashboards' decoding needs to know the kinds of panels
	os.Exit(m.Run())
}

func TestScenario(t *testing.T) {
	r := start(t)
	r.warmUp()
	r.settle()
	for _, s := range steps() {
		t.Run(s.name, func(t *testing.T) { r.rehearse(t, s) })
	}
	t.Run("all resolves", r.allResolves)
	t.Run("coverage", r.coverage)
	t.Run("exemplars", r.exemplars)
	t.Run("self metrics", r.selfMetrics)
	t.Run("runbooks", r.runbooks)
	r.report()
}

func start(t *testing.T) *rehearsal {
	t.Helper()
	r := &rehearsal{t: t, origin: newOrigin(t), pager: newPager(t), began: time.Now(), heard: map[string]notification{}}
	addresses := port.Addresses(t, 3)
	r.stack = stack.Start(t, stack.Options{
		Env:  map[string]string{"GOPROXY": r.origin.url, "GOSUMDB": r.origin.gosumdb},
		Edit: newEdits(t, addresses[1], r.pager.url).edit,
	})
	r.embedded = startEmbedded(t, r.stack, r.origin, addresses[0], addresses[1], addresses[2])
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	r.athens = &client{t: t, http: &http.Client{Transport: transport, Timeout: 2 * time.Minute}, url: r.stack.Services["modtap"].URL(8081)}
	return r
}

// warmUp fills the caches one request at a time, so that nothing is slow for lack of processors, and begins the usual traffic.
func (r *rehearsal) warmUp() {
	r.t.Helper()
	for i := range warm {
		for _, file := range []string{"v1.0.0.mod", "v1.0.0.info", "v1.0.0.zip"} {
			r.athens.want(http.StatusOK, fmt.Sprintf("/example.com/lib%d/@v/%s", i, file))
		}
	}
	r.athens.want(http.StatusOK, "/example.com/lib0/@v/list")
	r.athens.want(http.StatusOK, "/example.com/lib0/@latest")
	r.embedded.client.variety()
	r.builds()
	r.athens.run(8, 8, usual)
	r.embedded.client.run(3, 8, func(n int) string {
		if n%8 == 7 {
			return "/sumdb/" + database + "/supported"
		}
		return usual(n)
	})
}

// builds are real go commands, through both proxies, with probes for what isn't there. Athens isn't probed: it answers 404 or 500 to that,
// as it happens.
func (r *rehearsal) builds() {
	r.t.Helper()
	overTLS := []string{"SSL_CERT_FILE=" + r.embedded.cert}
	for range 2 {
		require.Empty(r.t, build(r.t, r.athens.url, nil, "mod", "download"))
		require.Empty(r.t, build(r.t, r.embedded.client.url, overTLS, "mod", "download"))
	}
	require.Contains(r.t, build(r.t, r.embedded.client.url, overTLS, "get", "example.com/missing/a/b@v1.0.0"), "no such module")
}

// settle waits until no alert of the start is left: what is told from now on has its reason in a step.
func (r *rehearsal) settle() {
	r.t.Helper()
	backends.Await(r.t, 90*time.Second, "an Alertmanager without alerts", func() bool {
		time.Sleep(time.Second)
		return time.Since(r.began) > 10*time.Second && len(r.active("")) == 0
	})
	r.t.Logf("quiet %.0f s after the start", time.Since(r.began).Seconds())
}

// active are the alerts that Alertmanager holds; query is a filter of its API.
func (r *rehearsal) active(query string) []managed {
	r.t.Helper()
	var all []managed
	getJSON(r.t, r.stack.Services["alertmanager"].URL(9093)+"/api/v2/alerts"+query, &all)
	return all
}

// managed is an alert in Alertmanager's API.
type managed struct {
	alert
	Status struct {
		State       string   `json:"state"`
		InhibitedBy []string `json:"inhibitedBy"`
	} `json:"status"`
}

// rehearse runs one step and holds what is told against what was written down.
func (r *rehearsal) rehearse(t *testing.T, s step) {
	began := time.Now()
	end := s.inject(r)
	ended := false
	defer func() {
		if !ended {
			end()
		}
	}()
	deadline := began.Add(s.quiet)
	for _, within := range s.notified {
		deadline = later(deadline, began.Add(within))
	}
	held := map[string]bool{}
	complete := func() bool {
		for _, a := range r.active("?inhibited=true&active=false") {
			held[a.key()] = true
		}
		return s.quiet == 0 && len(missing(s.notified, r.pager.since(began))) == 0 && containsAll(held, s.held)
	}
	for !complete() && time.Now().Before(deadline) {
		time.Sleep(200 * time.Millisecond)
	}
	// What comes late must not be missed.
	time.Sleep(3 * time.Second)
	told := r.pager.since(began)
	lasted := time.Since(began)
	end()
	ended = true

	assert.Empty(t, missing(s.notified, told), "alerts that nobody was told of")
	for _, n := range told {
		r.heard[n.key()] = n
		within, expected := s.notified[n.key()]
		took := n.at.Sub(began)
		if !expected {
			assert.Contains(t, r.pending, n.key(), "%s told %s of what wasn't to be expected: %s", s.name, n.receiver, n.Annotations["summary"])
			continue
		}
		assert.LessOrEqual(t, took, within, "%s is late", n.key())
		assert.Equal(t, receiverAt(n), r.pager.receivers(n.key(), began), "receivers of %s", n.key())
		r.annotated(t, n)
		r.row("%s\t%s\t%.0f s of %.0f s\t%s\t%s", s.name, n.key(), took.Seconds(), within.Seconds(), n.receiver, n.Annotations["summary"])
		t.Logf("%s: %s", n.key(), n.payload)
		r.payload = cmp.Or(r.payload, n.payload)
	}
	for _, key := range s.held {
		assert.True(t, held[key], "%s is held back by an inhibition; held were %v", key, slices.Sorted(maps.Keys(held)))
		r.row("%s\t%s\theld back\t\t", s.name, key)
	}
	if len(s.notified) == 0 {
		r.row("%s\tnone\tin %.0f s\t\t", s.name, lasted.Seconds())
	}
	r.pending = append(r.pending, s.after...)
}

func (r *rehearsal) row(format string, args ...any) {
	r.rows = append(r.rows, fmt.Sprintf(format, args...))
}

// annotated: who is woken finds numbers, a dashboard of the right proxy, and a runbook that is there.
func (r *rehearsal) annotated(t *testing.T, n notification) {
	t.Helper()
	assert.Regexp(t, `\d|absent`, n.Annotations["summary"])
	assert.NotContains(t, n.Annotations["summary"], "<no value>")
	assert.FileExists(t, runbook(n.Annotations["runbook_url"]))
	assert.Contains(t, n.Annotations["dashboard"], "/d/modtap-")
	assert.Contains(t, n.GeneratorURL, "http://localhost:9090/graph?", "compose.yaml publishes Prometheus there")
	if job := n.Labels["job"]; job != "modtap" {
		assert.Contains(t, n.Annotations["dashboard"], "var-job="+job)
	}
}

// receiverAt is who has to be told: the rota of dashboards/alertmanager by the clock, UTC.
func receiverAt(n notification) []string {
	switch {
	case n.Labels["team"] == "security":
		return []string{"security"}
	case n.Labels["severity"] == "warning":
		return []string{"tickets"}
	case n.at.UTC().Hour() < 8 || n.at.UTC().Hour() >= 18:
		return []string{"night"}
	}
	return []string{"day"}
}

// allResolves waits until everybody who was told of an alert was told that it is over, and prints what became of all steps.
func (r *rehearsal) allResolves(t *testing.T) {
	for _, n := range r.pager.since(r.began) {
		r.heard[n.key()] = n
	}
	var left []string
	backends.Await(t, 9*time.Minute, "the end of all alerts", func() bool {
		time.Sleep(time.Second)
		left = left[:0]
		over := r.pager.resolved(r.began)
		for key, n := range r.heard {
			if !slices.ContainsFunc(over, func(o notification) bool { return o.key() == key && o.at.After(n.at) }) {
				left = append(left, key)
			}
		}
		return len(left) == 0 && len(r.active("")) == 0
	})
	for _, n := range r.pager.since(r.began) {
		assert.True(t, expectedSomewhere(n.key()), "%s told %s of %s", n.key(), n.receiver, n.Annotations["summary"])
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "step\talert\ttold after\treceiver\tsummary")
	for _, row := range r.rows {
		fmt.Fprintln(w, row)
	}
	require.NoError(t, w.Flush())
	r.table(t, fmt.Sprintf("Alerts, on a clock of 1:%d", scale), table.String())

	var payload bytes.Buffer
	require.NoError(t, json.Indent(&payload, []byte(r.payload), "", "  "))
	r.table(t, "The first one, as a webhook gets it", payload.String())
}

// table prints one, and keeps it for the report.
func (r *rehearsal) table(t *testing.T, title, text string) {
	t.Helper()
	t.Logf("%s\n%s", title, text)
	r.tables = append(r.tables, "## "+title+"\n\n```\n"+text+"```\n")
}

// report is what the docs show of a rehearsal, with -update.
func (r *rehearsal) report() {
	r.t.Helper()
	const head = "# A rehearsal\n\nWritten by `go test ./test/scenario -run TestScenario -update`: what a rehearsal printed. The steps are in\n" +
		"[steps_test.go](../../test/scenario/steps_test.go), the pictures beside this file are of the same run.\n\n"
	keep(r.t, "rehearsal.md", []byte(head+strings.Join(r.tables, "\n")))
}

func expectedSomewhere(key string) bool {
	return slices.ContainsFunc(steps(), func(s step) bool {
		_, notified := s.notified[key]
		return notified || slices.Contains(s.after, key)
	})
}

func missing(expected map[string]time.Duration, told []notification) []string {
	var keys []string
	for key := range expected {
		if !slices.ContainsFunc(told, func(n notification) bool { return n.key() == key }) {
			keys = append(keys, key)
		}
	}
	return keys
}

func containsAll(set map[string]bool, keys []string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return !set[key] })
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
