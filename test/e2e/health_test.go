// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

var healthPlace = regexp.MustCompile(`(?m)^ +health +(\S+)`)

// healthURL is where m tells its health.
func (m *modtap) healthURL() string {
	m.tb.Helper()
	found := healthPlace.FindStringSubmatch(m.output.String())
	require.NotNil(m.tb, found, m.output.String())
	return found[1]
}

// broken asks /healthy and returns the components that it names, with their errors; none means 200.
func (m *modtap) broken() map[string]string {
	m.tb.Helper()
	status, text := get(m.tb, m.healthURL()+"/healthy")
	var body struct {
		Faults []struct {
			Component string
			Since     time.Time
			Error     string
		}
	}
	require.NoError(m.tb, json.Unmarshal(text, &body), string(text))
	require.Equal(m.tb, len(body.Faults) == 0, status == http.StatusOK, "%d %s", status, text)
	named := map[string]string{}
	for _, f := range body.Faults {
		require.WithinDuration(m.tb, time.Now(), f.Since, 10*time.Minute)
		named[f.Component] = f.Error
	}
	return named
}

// sample returns the sum of a metric over the series that have all these labels, such as `exporter="elastic"`.
func (m *modtap) sample(name string, labels ...string) float64 {
	m.tb.Helper()
	_, page := get(m.tb, "http://"+m.metrics+"/metrics")
	var sum float64
	shown := false
lines:
	for s := bufio.NewScanner(strings.NewReader(string(page))); s.Scan(); {
		rest, ok := strings.CutPrefix(s.Text(), name+"{")
		if !ok {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(rest, label) {
				continue lines
			}
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndex(rest, " ")+1:], 64)
		require.NoError(m.tb, err, s.Text())
		sum, shown = sum+value, true
	}
	if !shown {
		return -1
	}
	return sum
}

// TestHealth: what each backend's end and return does to /ready, /healthy and the exporters' metrics, while downloads go on.
func TestHealth(t *testing.T) {
	es, jaeger := backends.Elasticsearch(t), backends.Jaeger(t)
	o := newOrigin(t)
	o.add(t, "example.com/m", 10)
	m := start(t, append(o.goproxy(), "MODTAP_ELASTICSEARCH="+es.URL, "MODTAP_JAEGER="+jaeger.OTLPHTTP))
	ask := func() {
		status, _ := get(t, m.proxy+"/example.com/m/@v/v1.0.0.mod")
		require.Equal(t, http.StatusOK, status)
		status, body := get(t, m.healthURL()+"/ready")
		require.Equal(t, http.StatusOK, status, "ready whatever the backends do: %s", body)
	}
	until := func(within time.Duration, what string, done func() bool) {
		t.Helper()
		begun := time.Now()
		backends.Await(t, within, what, func() bool { ask(); return done() })
		t.Logf("%s after %v", what, time.Since(begun).Round(time.Millisecond))
	}
	until(time.Minute, "both backends have something", func() bool {
		return m.sample("otelcol_exporter_send_duration_seconds_count", `exporter="elastic"`, `outcome="success"`) > 0 &&
			m.sample("otelcol_exporter_send_duration_seconds_count", `exporter="otlp_http/jaeger"`, `outcome="success"`) > 0
	})
	assert.Empty(t, m.broken())
	status, _ := get(t, m.healthURL()+"/")
	assert.Equal(t, http.StatusOK, status)

	for _, b := range []struct {
		name, exporter, signal string
		down, up               func()
		error                  string
	}{
		{"Elasticsearch stopped", "elastic", "logs", es.Stop, es.Restart, "connection refused"},
		{"Jaeger hanging", "otlp_http/jaeger", "traces", jaeger.Pause, jaeger.Resume, "no answer for"},
		{"Jaeger killed", "otlp_http/jaeger", "traces", jaeger.Kill, jaeger.Restart, "connection refused"},
	} {
		t.Run(b.name, func(t *testing.T) {
			of := []string{`exporter="` + b.exporter + `"`, `data_type="` + b.signal + `"`}
			assert.Positive(t, m.sample("otelcol_exporter_queue_capacity", of...))
			failedBefore := m.sample("otelcol_exporter_send_failed_attempts_total", of...)
			b.down()
			until(time.Minute, "named in /healthy", func() bool {
				return strings.Contains(m.broken()["exporters::"+b.exporter], b.error)
			})
			assert.Len(t, m.broken(), 1, "the other backend is well")
			until(time.Minute, "the queue grows and ages", func() bool {
				return m.sample("otelcol_exporter_queue_size", of...) > 0 && m.sample("otelcol_exporter_queue_oldest_age_seconds", of...) > 2 &&
					m.sample("otelcol_exporter_send_failed_attempts_total", of...) > failedBefore &&
					m.sample("otelcol_exporter_send_duration_seconds_count", append(of, `outcome="failure"`)...) > 0
			})
			b.up()
			until(2*time.Minute, "healthy again", func() bool { return len(m.broken()) == 0 })
			backends.Await(t, 60*time.Second, "the queue is empty", func() bool {
				return m.sample("otelcol_exporter_queue_size", of...) == 0 && m.sample("otelcol_exporter_queue_oldest_age_seconds", of...) == 0
			})
		})
	}
	assert.Zero(t, m.sample("otelcol_exporter_dropped_items_total"), "nothing is lost")
}

// TestOldestAgeOutlivesRestart: what waits keeps its age.
func TestOldestAgeOutlivesRestart(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/m", 10)
	env := append(o.goproxy(), "MODTAP_ELASTICSEARCH="+refused(t))
	m := start(t, env)
	for range 4 {
		get(t, m.proxy+"/example.com/m/@v/v1.0.0.mod")
		time.Sleep(1100 * time.Millisecond)
	}
	before := m.sample("otelcol_exporter_queue_oldest_age_seconds", `exporter="elastic"`)
	assert.Greater(t, before, 3.0)
	m.stop()
	again := start(t, append(env, "MODTAP_DATA="+m.data))
	backends.Await(t, time.Minute, "the age after the restart", func() bool {
		return again.sample("otelcol_exporter_queue_oldest_age_seconds", `exporter="elastic"`) > 1.5
	})
}

// TestDropsByReason: what a backend refuses for good and what a full queue has no room for is counted, each under its reason.
func TestDropsByReason(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-protobuf") // as OTLP has it
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(refusing.Close)
	o := newOrigin(t)
	o.add(t, "example.com/m", 10)
	m := start(t, append(o.goproxy(), "MODTAP_ELASTICSEARCH="+refused(t), "MODTAP_JAEGER="+refusing.URL), "--set", "exporters.elastic.sending_queue.queue_size=3000")
	backends.Await(t, time.Minute, "both drops", func() bool {
		get(t, m.proxy+"/example.com/m/@v/v1.0.0.mod")
		return m.sample("otelcol_exporter_dropped_items_total", `exporter="elastic"`, `reason="queue_full"`) > 0 &&
			m.sample("otelcol_exporter_dropped_items_total", `exporter="otlp_http/jaeger"`, `reason="refused"`) > 0
	})
	assert.Contains(t, m.broken()["exporters::otlp_http/jaeger"], "400")
}
