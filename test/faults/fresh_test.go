// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// fresh is how old the newest exchange in a living backend may be. Batching
// takes 200 ms, Elasticsearch's refresh is asked for, and the rest is patience
// with a busy machine.
const fresh = 5 * time.Second

// watch calls age again and again for a while and returns the greatest.
func watch(during time.Duration, age func() time.Duration) (greatest time.Duration) {
	for deadline := time.Now().Add(during); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		greatest = max(greatest, age())
	}
	return greatest
}

// newestSpan returns the age of the newest span of a service in Jaeger.
func newestSpan(tb testing.TB, jaeger *backends.JaegerServer, service string) time.Duration {
	tb.Helper()
	now := time.Now()
	var newest int64
	for trace := range traces(tb, jaeger, service, now.Add(-2*fresh), now) {
		for _, span := range trace.Spans {
			newest = max(newest, span.Start)
		}
	}
	if newest == 0 {
		return 2 * fresh
	}
	return now.Sub(time.UnixMicro(newest))
}

// newestDocument returns the age of the newest document of a service.
func newestDocument(tb testing.TB, es *backends.ElasticsearchServer, service string) time.Duration {
	tb.Helper()
	now := time.Now()
	hits := es.Search(tb, indices, fmt.Sprintf(`{"size":1,"_source":["@timestamp"],"query":{"term":{"service.name":%q}},"sort":[{"@timestamp":"desc"}]}`, service))
	require.Len(tb, hits, 1)
	var d struct {
		Timestamp time.Time `json:"@timestamp"`
	}
	require.NoError(tb, json.Unmarshal(hits[0].Source, &d))
	return now.Sub(d.Timestamp)
}
