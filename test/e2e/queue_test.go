// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// TestElasticsearchComesBack: what was told while a backend was down, over a
// restart of Modtap too, is there when it is back, once.
func TestElasticsearchComesBack(t *testing.T) {
	es := backends.Elasticsearch(t)
	es.Stop()
	o := newOrigin(t)
	o.add(t, "example.com/m", 10)
	env := append(o.goproxy(), "MODTAP_ELASTICSEARCH="+es.URL)
	m := start(t, env)
	const each = 20
	ask := func(m *modtap) {
		for range each {
			status, _ := get(t, m.proxy+"/example.com/m/@v/v1.0.0.mod")
			require.Equal(t, http.StatusOK, status)
		}
	}
	ask(m)
	m.stop()
	again := start(t, append(env, "MODTAP_DATA="+m.data))
	ask(again)
	es.Restart()
	assert.Eventually(t, func() bool { return es.Count(t, "modtap-requests-*", "goproxy.operation:mod") >= 2*each }, 60*time.Second, time.Second)
	ids := map[string]bool{}
	for _, hit := range es.Search(t, "modtap-requests-*", `{"size":1000}`) {
		assert.False(t, ids[hit.ID], "one document an id")
		ids[hit.ID] = true
	}
	for _, d := range again.documents() {
		assert.True(t, ids[d.Event.ID], fmt.Sprint("in the JSON log and in Elasticsearch: ", d.Event.ID))
	}
	assert.Len(t, ids, 2*each)
}
