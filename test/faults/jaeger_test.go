// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// jaegerStopped stops Jaeger, while Elasticsearch lives. Its storage is in
// memory, so what it has is read once nothing more can reach it.
func jaegerStopped(r *run) {
	time.Sleep(2 * time.Second)
	r.toJaeger.down()
	// It stores what it has taken a little later.
	still := 0
	require.Eventually(r.t, func() bool {
		before := len(r.spans)
		r.spans = spans(r.t, r.jaeger, r.name, r.began, time.Now())
		if still++; len(r.spans) != before {
			still = 0
		}
		return still == 3
	}, time.Minute, time.Second, "Jaeger stores what it has taken")
	r.jaeger.Stop()
	age := watch(long(), func() time.Duration { return newestDocument(r.t, r.es, r.name) })
	r.jaeger.Restart()
	r.toJaeger.up()
	r.t.Logf("while Jaeger was away, the newest document in Elasticsearch was at most %v old", age)
	assert.Less(r.t, age, fresh, "Jaeger doesn't hold back Elasticsearch")
	time.Sleep(3 * time.Second)
}

// jaegerHangs leaves Jaeger's connections open and answers nothing.
func jaegerHangs(r *run) {
	time.Sleep(2 * time.Second)
	var age time.Duration
	r.toJaeger.during(hang, func() {
		age = watch(scale(6*time.Second, time.Minute), func() time.Duration { return newestDocument(r.t, r.es, r.name) })
	})
	r.t.Logf("while Jaeger hung, the newest document in Elasticsearch was at most %v old", age)
	assert.Less(r.t, age, fresh, "Jaeger doesn't hold back Elasticsearch")
	time.Sleep(2 * time.Second)
}

// jaegerTrace is a trace in Jaeger, as far as the tests look at it.
type jaegerTrace struct {
	TraceID string `json:"traceID"`
	Spans   []struct {
		SpanID string `json:"spanID"`
		Start  int64  `json:"startTime"` // Microseconds since 1970.
		Tags   []struct {
			Key   string `json:"key"`
			Value any    `json:"value"`
		} `json:"tags"`
	} `json:"spans"`
}

// slice is how much time one query to Jaeger covers.
const slice = 5 * time.Second

// traces reads the traces of a service that began between from and to.
func traces(tb testing.TB, jaeger *backends.JaegerServer, service string, from, to time.Time) iter.Seq[jaegerTrace] {
	tb.Helper()
	return func(yield func(jaegerTrace) bool) {
		for ; from.Before(to); from = from.Add(slice) {
			query := url.Values{
				"service": {service}, "limit": {"100000"},
				"start": {strconv.FormatInt(from.UnixMicro(), 10)}, "end": {strconv.FormatInt(min(from.Add(slice).UnixMicro()-1, to.UnixMicro()), 10)},
			}
			response, err := alone.Get(jaeger.URL + "/api/traces?" + query.Encode())
			require.NoError(tb, err)
			var answer struct {
				Data []jaegerTrace `json:"data"`
			}
			require.Equal(tb, http.StatusOK, response.StatusCode)
			err = json.NewDecoder(response.Body).Decode(&answer)
			response.Body.Close()
			require.NoError(tb, err)
			for _, trace := range answer.Data {
				if !yield(trace) {
					return
				}
			}
		}
	}
}

// spans reads the server spans of a service that began between from and to.
func spans(tb testing.TB, jaeger *backends.JaegerServer, service string, from, to time.Time) evidence {
	tb.Helper()
	found := evidence{}
	for trace := range traces(tb, jaeger, service, from, to) {
		for _, span := range trace.Spans {
			for _, tag := range span.Tags {
				if tag.Key == "span.kind" && tag.Value == "server" {
					found.add(fmt.Sprintf("%032s", trace.TraceID), span.SpanID)
				}
			}
		}
	}
	return found
}
