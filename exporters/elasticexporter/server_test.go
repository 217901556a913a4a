// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

const (
	saysElastic7   = `{"version":{"number":"7.17.1"},"tagline":"You Know, for Search"}`
	saysElastic8   = `{"version":{"number":"8.15.0"},"tagline":"You Know, for Search"}`
	saysOpenSearch = `{"version":{"number":"2.19.1","distribution":"opensearch"},"tagline":"The OpenSearch Project: https://opensearch.org/"}`
)

func TestParseServer(t *testing.T) {
	for body, want := range map[string]server{
		saysElastic7:   {major: 7},
		saysElastic8:   {major: 8},
		saysOpenSearch: {major: 2, openSearch: true},
		`{"version":{"number":"9.0.0"},"tagline":"The OpenSearch Project: https://opensearch.org/"}`: {major: 9, openSearch: true},
		`{}`:                            {},
		`<html>`:                        {},
		`{"version":{"number":"-8.1"}}`: {},
		`{"version":{"number":8}}`:      {},
	} {
		assert.Equal(t, want, parseServer([]byte(body)), body)
	}
	assert.True(t, server{major: 8}.isCompatible())
	assert.True(t, server{major: 9}.isCompatible())
	assert.False(t, server{major: 7}.isCompatible())
	assert.False(t, server{major: 9, openSearch: true}.isCompatible())
	assert.False(t, server{}.isCompatible())
}

func FuzzParseServer(f *testing.F) {
	for _, body := range []string{saysElastic7, saysElastic8, saysOpenSearch, `{"version":null}`, `[]`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		assert.GreaterOrEqual(t, parseServer(body).major, 0)
	})
}

// TestCompatibilityHeaders: no Elasticsearch 8 can be had here, so this shows what
// is sent to something that says it is one.
func TestCompatibilityHeaders(t *testing.T) {
	for _, test := range []struct{ says, accept, content string }{
		{"", "application/json", "application/x-ndjson"},
		{saysElastic7, "application/json", "application/x-ndjson"},
		{saysOpenSearch, "application/json", "application/x-ndjson"},
		{saysElastic8, "application/vnd.elasticsearch+json;compatible-with=7", "application/vnd.elasticsearch+x-ndjson;compatible-with=7"},
	} {
		c := newCluster(t)
		c.says = test.says
		require.NoError(t, started(t, settings(), direct(c.URL)).ConsumeLogs(t.Context(), records("1")))
		assert.Equal(t, []string{test.accept}, c.header.Values("Accept"), test.says)
		assert.Equal(t, []string{test.content}, c.header.Values("Content-Type"), test.says)
	}
}

// TestILM and TestISM show what is sent, in the form of the documentation; the
// servers of the tests have neither.
func TestILM(t *testing.T) {
	c := newCluster(t)
	c.says = saysElastic7
	cfg := direct(c.URL)
	cfg.Retention = 720 * time.Hour
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), records("1")))
	assert.Equal(t, []string{`/_ilm/policy/modtap-requests {"policy":{"phases":{"delete":{"actions":{"delete":{}},"min_age":"720h"},"hot":{"actions":{}}}}}`}, c.policies)
	require.Len(t, c.bodies, 1)
	index := c.bodies[0]["template"].(map[string]any)["settings"].(map[string]any)["index"].(map[string]any)
	assert.Equal(t, map[string]any{"name": "modtap-requests"}, index["lifecycle"])

	c.policy = `{"modtap-requests":{"version":3,"policy":{"phases":{"delete":{"min_age":"720h"}}}}}`
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), records("2")))
	assert.Len(t, c.policies, 1, "the same age is kept")

	cfg.Retention, cfg.DataStream = 90*time.Minute, true
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), records("3")))
	require.Len(t, c.policies, 2)
	assert.Equal(t, `/_ilm/policy/modtap-requests-data-stream {"policy":{"phases":{"delete":{"actions":{"delete":{}},"min_age":"5400s"},"hot":{"actions":{"rollover":{"max_age":"1d","max_size":"30gb"}}}}}}`, c.policies[1])
	assert.Equal(t, "modtap-requests-data-stream "+templateVersion(t)+" [modtap-requests]", c.templates[len(c.templates)-1])
	assert.Equal(t, map[string]any{}, c.bodies[len(c.bodies)-1]["data_stream"])
	assert.Equal(t, "modtap-requests", c.documents["3"].Index)
}

func TestISM(t *testing.T) {
	c := newCluster(t)
	c.says = saysOpenSearch
	cfg := direct(c.URL)
	cfg.Retention = 720 * time.Hour
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), records("1")))
	const body = `{"policy":{"default_state":"hot","description":"Removes old documents of Modtap.","ism_template":[{"index_patterns":["modtap-requests-*"],"priority":215}],` +
		`"states":[{"actions":[],"name":"hot","transitions":[{"conditions":{"min_index_age":"720h"},"state_name":"delete"}]},{"actions":[{"delete":{}}],"name":"delete","transitions":[]}]}}`
	assert.Equal(t, []string{"/_plugins/_ism/policies/modtap-requests " + body}, c.policies)
	index := c.bodies[0]["template"].(map[string]any)["settings"].(map[string]any)["index"].(map[string]any)
	assert.NotContains(t, index, "lifecycle", "OpenSearch refuses the setting")

	for age, puts := range map[string]int{"720h": 0, "48h": 1} {
		c.policies, c.policy = nil, `{"_seq_no":7,"_primary_term":2,"policy":{"states":[{"transitions":[{"conditions":{"min_index_age":"`+age+`"}}]}]}}`
		require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), records("2")))
		require.Len(t, c.policies, puts)
		if puts > 0 {
			assert.Equal(t, "/_plugins/_ism/policies/modtap-requests?if_primary_term=2&if_seq_no=7 "+body, c.policies[0])
		}
	}
}

// TestANodeThatHangsRests: after one time-out the others get the batches.
func TestANodeThatHangsRests(t *testing.T) {
	released := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(released) })
	c := newCluster(t)
	core, observed := observer.New(zapcore.InfoLevel)
	set := settings()
	set.Logger = zap.New(core)
	cfg := retrying(hanging.URL, c.URL)
	cfg.Timeout = 200 * time.Millisecond
	logs := started(t, set, cfg)
	for _, id := range numbered("", 10) {
		require.NoError(t, logs.ConsumeLogs(t.Context(), records(id)))
	}
	assert.Len(t, c.ids(), 10)
	assert.Equal(t, 1, observed.FilterMessageSnippet("Will retry").Len(), "one attempt is lost, no more")
}
