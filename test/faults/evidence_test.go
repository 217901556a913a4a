// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// evidence is what one backend holds: by trace id, the ids of documents, lines
// or server spans. An id that is there twice is in it twice.
type evidence map[string][]string

func (e evidence) add(trace, id string) { e[trace] = append(e[trace], id) }

// total is how many there are of all traces.
func (e evidence) total() (n int) {
	for _, ids := range e {
		n += len(ids)
	}
	return n
}

// document is one exchange, as far as the tests look at it.
type document struct {
	Event struct {
		ID string `json:"id"`
	} `json:"event"`
	Trace struct {
		ID string `json:"id"`
	} `json:"trace"`
	Service struct {
		Name string `json:"name"`
	} `json:"service"`
}

const (
	indices = "modtap-requests-*"
	page    = 10_000 // the most hits that one search gives
)

// documents reads all documents of a service out of Elasticsearch.
func documents(tb testing.TB, es *backends.ElasticsearchServer, service string) evidence {
	tb.Helper()
	found := evidence{}
	after := ""
	for {
		hits := es.Search(tb, indices, fmt.Sprintf(
			`{"size":%d,"_source":["event.id","trace.id"],"query":{"term":{"service.name":%q}},"sort":[{"event.id":"asc"},{"_index":"asc"}]%s}`,
			page, service, after))
		for _, hit := range hits {
			var d document
			require.NoError(tb, json.Unmarshal(hit.Source, &d))
			found.add(d.Trace.ID, d.Event.ID)
			after = fmt.Sprintf(`,"search_after":[%q,%q]`, d.Event.ID, hit.Index)
		}
		if len(hits) < page {
			return found
		}
	}
}

// elsewhere is how many of the traces that lack a document have one under another service's name.
func (r *run) elsewhere(e evidence, want map[string]bool) (n int) {
	r.t.Helper()
	var lacking []string
	for trace := range want {
		if len(e[trace]) == 0 {
			lacking = append(lacking, strconv.Quote(trace))
		}
	}
	for some := range slices.Chunk(lacking, 1000) {
		n += len(r.es.Search(r.t, indices, fmt.Sprintf(`{"size":%d,"_source":false,"query":{"terms":{"trace.id":[%s]}}}`, page, strings.Join(some, ","))))
	}
	return n
}

// lines reads the JSON log at path, the full files beside it included. Half a
// line at the very end is a write that goes on.
func lines(tb testing.TB, path string) evidence {
	tb.Helper()
	found := evidence{}
	files, err := filepath.Glob(strings.TrimSuffix(path, filepath.Ext(path)) + "*" + filepath.Ext(path))
	require.NoError(tb, err)
	for _, name := range files {
		f, err := os.Open(name)
		require.NoError(tb, err)
		for reader := bufio.NewReader(f); ; {
			line, err := reader.ReadBytes('\n')
			if err != nil {
				break
			}
			var d document
			require.NoError(tb, json.Unmarshal(line, &d), "each line is a document: %s", line)
			found.add(d.Trace.ID, d.Event.ID)
		}
		require.NoError(tb, f.Close())
	}
	return found
}

// alone keeps no connection.
var alone = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
