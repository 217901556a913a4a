// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// long is how long a backend is away.
func long() time.Duration { return scale(10*time.Second, 7*time.Minute) }

// elasticsearchStopped stops Elasticsearch, while Jaeger lives.
func elasticsearchStopped(r *run) {
	time.Sleep(2 * time.Second)
	r.toES.down()
	r.es.Stop()
	age := watch(long(), func() time.Duration { return newestSpan(r.t, r.jaeger, r.name) })
	r.es.Restart()
	r.toES.up()
	r.t.Logf("while Elasticsearch was away, the newest span in Jaeger was at most %v old", age)
	assert.Less(r.t, age, fresh, "Elasticsearch doesn't hold back Jaeger")
	time.Sleep(3 * time.Second)
}

// elasticsearchKilled kills Elasticsearch while a bulk is on its way to it.
func elasticsearchKilled(r *run) {
	for range scale(1, 5) {
		time.Sleep(2 * time.Second)
		r.toES.amidBatch()
		r.es.Kill()
		r.toES.down()
		time.Sleep(time.Second)
		r.es.Restart()
		r.toES.up()
	}
	time.Sleep(2 * time.Second)
}

// elasticsearchInjected lets the gate answer for a while.
func elasticsearchInjected(f injection) func(*run) {
	return func(r *run) {
		time.Sleep(2 * time.Second)
		r.toES.during(f, func() { time.Sleep(scale(6*time.Second, time.Minute)) })
		time.Sleep(2 * time.Second)
	}
}

// rejecting says that Elasticsearch will refuse the documents of one file:
// today's index, and tomorrow's, get a mapping that the file's size doesn't fit
// into.
func rejecting(s *suite, file string) option {
	return func(o *settings) {
		o.rare = file
		o.before = func(t *testing.T) {
			s.elasticsearch(t, http.MethodDelete, "/"+indices, "")
			t.Cleanup(func() { s.elasticsearch(t, http.MethodDelete, "/"+indices, "") })
			for _, day := range []time.Time{time.Now(), time.Now().Add(24 * time.Hour)} {
				s.elasticsearch(t, http.MethodPut, "/"+strings.TrimSuffix(indices, "*")+day.UTC().Format("2006.01.02"),
					`{"mappings":{"properties":{"http":{"properties":{"response":{"properties":{"body":{"properties":{"bytes":{"type":"short"}}}}}}}}}}`)
			}
		}
	}
}

// elasticsearchRejects has one document in a hundred refused for its content.
func elasticsearchRejects(*run) {
	time.Sleep(scale(8*time.Second, time.Minute))
}

// floodStage lets Elasticsearch find its disk too full, by moving the watermark
// above what is free: it blocks the indices itself, and frees them itself.
func floodStage(r *run) {
	watermarks := func(settings string) {
		r.elasticsearch(r.t, http.MethodPut, "/_cluster/settings", fmt.Sprintf(`{"transient":{"cluster":{"info.update.interval":"10s","routing.allocation.disk":%s}}}`, settings))
	}
	blocked := func() bool {
		return strings.Contains(r.elasticsearch(r.t, http.MethodGet, "/"+indices+"/_settings", ""), "read_only_allow_delete")
	}
	r.t.Cleanup(func() {
		watermarks(`{"threshold_enabled":null,"watermark":{"low":null,"high":null,"flood_stage":null}}`)
		r.elasticsearch(r.t, http.MethodPut, "/"+indices+"/_settings", `{"index.blocks.read_only_allow_delete":null}`)
	})
	time.Sleep(2 * time.Second)
	watermarks(`{"threshold_enabled":true,"watermark":{"low":"900tb","high":"900tb","flood_stage":"900tb"}}`)
	require.Eventually(r.t, blocked, time.Minute, 200*time.Millisecond, "Elasticsearch blocks its indices")
	time.Sleep(scale(5*time.Second, time.Minute))
	watermarks(`{"threshold_enabled":true,"watermark":{"low":"1b","high":"1b","flood_stage":"1b"}}`)
	require.Eventually(r.t, func() bool { return !blocked() }, time.Minute, 200*time.Millisecond, "Elasticsearch frees its indices")
	time.Sleep(2 * time.Second)
}

// elasticsearch calls the real server and returns its answer.
func (s *suite) elasticsearch(tb testing.TB, method, path, body string) string {
	tb.Helper()
	request, err := http.NewRequest(method, s.es.URL+path, strings.NewReader(body))
	require.NoError(tb, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := alone.Do(request)
	require.NoError(tb, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(tb, err)
	require.Less(tb, response.StatusCode, http.StatusMultipleChoices, "%s %s: %s", method, path, answer)
	return string(answer)
}
