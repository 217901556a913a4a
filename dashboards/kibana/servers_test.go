// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/ecs"
)

// TestServers runs every query and every aggregation of each target's file on a real server with what real Modtaps have sent there.
func TestServers(t *testing.T) {
	jaeger := backends.Jaeger(t)
	binary := build(t)
	servers := map[string]func(testing.TB) *backends.ElasticsearchServer{
		"kibana.ndjson":     backends.Elasticsearch,
		"opensearch.ndjson": backends.OpenSearch,
	}
	for _, target := range Targets() {
		t.Run(target.Name, func(t *testing.T) {
			s := &server{t: t, url: servers[target.File](t).URL, jaeger: jaeger.URL}
			s.window.from = time.Now().Add(-time.Second)
			want := traffic(t, binary, "MODTAP_ELASTICSEARCH="+s.url, "MODTAP_JAEGER="+jaeger.OTLPHTTP)
			backends.Await(t, time.Minute, "all documents", func() bool {
				s.call(http.MethodPost, "/_refresh", nil, nil)
				return s.found() >= want
			})
			assert.Equal(t, want, s.search(dsl{"size": 0, "track_total_hits": true}).Hits.Total.Value)
			assert.Equal(t, want-2, s.search(dsl{"size": 0, "query": dsl{"match": dsl{"goproxy.side": "ingress"}}}).Hits.Total.Value, "two were at the egress")
			s.window.to = time.Now()
			objects := committed(t, target)
			s.fields(objects)
			s.coverage(objects)
			s.drillDown(objects)
		})
	}
}

// server is a real server, asked as Kibana asks it.
type server struct {
	t           *testing.T
	url, jaeger string
	window      window
}

// answer is that of _search.
type answer struct {
	TimedOut bool `json:"timed_out"`
	Shards   struct {
		Failed int `json:"failed"`
	} `json:"_shards"`
	Hits struct {
		Total struct {
			Value int `json:"value"`
		} `json:"total"`
		Hits []struct {
			Source json.RawMessage `json:"_source"`
			Sort   []any           `json:"sort"`
		} `json:"hits"`
	} `json:"hits"`
	Aggregations map[string]result `json:"aggregations"`
}

// result is that of one aggregation.
type result struct {
	Value   *float64          `json:"value"`
	Values  []percentile      `json:"values"`
	Buckets []json.RawMessage `json:"buckets"`
}

// percentile is one of percentiles.
type percentile struct {
	Value *float64 `json:"value"`
}

func (s *server) call(method, path string, body, into any) {
	s.t.Helper()
	text := ""
	if body != nil {
		line, err := encode(body)
		require.NoError(s.t, err)
		text = string(line)
	}
	s.get(method, s.url+path, text, into)
}

func (s *server) get(method, address, body string, into any) {
	s.t.Helper()
	status, text := s.send(method, address, body)
	require.Equal(s.t, http.StatusOK, status, "%s %s %s: %s", method, address, body, text)
	if into != nil {
		require.NoError(s.t, json.Unmarshal(text, into), "%s", text)
	}
}

func (s *server) send(method, address, body string) (status int, text []byte) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, address, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := alone.Do(request)
	require.NoError(s.t, err)
	text, err = io.ReadAll(response.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	return response.StatusCode, text
}

// allDocuments is where the indices of the index pattern are searched.
var allDocuments = "/" + url.PathEscape(indices) + "/_search?ignore_unavailable=true"

// found returns how many documents there are. While an index is new, none can be counted.
func (s *server) found() int {
	s.t.Helper()
	status, text := s.send(http.MethodPost, s.url+allDocuments, `{"size":0,"track_total_hits":true}`)
	if status == http.StatusServiceUnavailable {
		return 0
	}
	var a answer
	require.Equal(s.t, http.StatusOK, status, "%s", text)
	require.NoError(s.t, json.Unmarshal(text, &a), "%s", text)
	return a.Hits.Total.Value
}

// search asks the indices of the index pattern.
func (s *server) search(body dsl) (a answer) {
	s.t.Helper()
	s.call(http.MethodPost, allDocuments, body, &a)
	assert.Zero(s.t, a.Shards.Failed)
	assert.False(s.t, a.TimedOut)
	return a
}

// fields asks what Kibana asks to fill the index pattern: each field that an object names is there, can be searched and, where that
// is done, aggregated. And some document has it.
func (s *server) fields(objects []Object) {
	s.t.Helper()
	var caps struct {
		Fields map[string]map[string]struct{ Searchable, Aggregatable bool } `json:"fields"`
	}
	s.call(http.MethodGet, "/"+url.PathEscape(indices)+"/_field_caps?fields=*&ignore_unavailable=true&allow_no_indices=false", nil, &caps)
	var stored []string
	for name, types := range caps.Fields {
		if _, isObject := types["object"]; !isObject && !strings.HasPrefix(name, "_") && s.has(name) {
			stored = append(stored, name)
		}
	}
	assert.Empty(s.t, ecs.Unknown(stored), "documents have fields that aren't of the Elastic Common Schema")
	for _, name := range []string{"ecs.version", "message", "log.level", "event.category", "event.end", "client.ip", "url.original", "host.name", "observer.version"} {
		assert.Contains(s.t, stored, name)
	}
	asked := map[string]bool{}
	for _, use := range fieldsOf(s.t, objects) {
		types := caps.Fields[use.field]
		if !assert.Len(s.t, types, 1, "%s: %s has one type", use.object, use.field) {
			continue
		}
		for kind, c := range types {
			assert.True(s.t, c.Searchable, "%s: %s (%s)", use.object, use.field, kind)
			assert.True(s.t, c.Aggregatable || !use.aggregated, "%s: %s (%s)", use.object, use.field, kind)
		}
		if !asked[use.field] {
			asked[use.field] = true
			assert.True(s.t, s.has(use.field), "no document has %s, which %s names", use.field, use.object)
		}
	}
	s.t.Logf("%d fields are mapped and in documents", len(asked))
}

// has reports whether some document has the field.
func (s *server) has(field string) bool {
	s.t.Helper()
	return s.search(dsl{"size": 0, "track_total_hits": true, "query": dsl{"exists": dsl{"field": field}}}).Hits.Total.Value > 0
}

// shown is what a panel or a search has to show of [traffic]: values that stand together in one row, or in one hit.
var shown = map[string][]string{
	"modtap-outcome-over-time":  {"timeout"},
	"modtap-errors-by-module":   {"example.com/broken", "upstream_error"},
	"modtap-errors-by-upstream": {"127.0.0.1"},
	"modtap-upstream-attempts":  {"public.example"},
	"modtap-fallthroughs":       {"not_found", "127.0.0.1"},
	"modtap-checksum-failures":  {"example.com/tampered", "v1.0.0"},
	"modtap-private-leaks":      {"*.corp.example", "git.corp.example/secret", "192.0.2.1"},
	"modtap-cache-by-operation": {"list", "stale"},
	"modtap-cache-over-time":    {"coalesced"},
	"modtap-miss-reasons":       {"cold", "embedded"},
	"modtap-top-modules":        {"example.com/web"},
	"modtap-modules-by-bytes":   {"example.com/slow", "v1.0.0"},
	"modtap-unused-modules":     {"example.com/tampered"},
	"modtap-slowest-modules":    {"example.com/hanging"},
	"modtap-module-age":         {"example.com/web", "v1.1.0"},
	"modtap-clients":            {"192.0.2.1", "alice"},
	"modtap-user-agents":        {"curl/7.88.1"},
	"modtap-ci-jobs":            {"gitlab", "shop/web", "test"},
	"modtap-ci-failures":        {"shop/web", "https://ci.example/41", "example.com/broken"},
	"modtap-builds":             {ciTrace},
	searchRequestsID:            {"example.com/tampered", "athens"},
	searchFailuresID:            {"example.com/hanging", "timeout"},
	searchSlowestID:             {"example.com/hanging"},
	searchLeaksID:               {"git.corp.example/secret", "alice"},
	searchChecksumID:            {"example.com/tampered", "checksum_mismatch"},
	searchTraceID:               {`"egress"`, "v1.2.0"},
}

// coverage runs each object and prints the table of what came.
func (s *server) coverage(objects []Object) {
	s.t.Helper()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "object\tquery\thits\trows\tverdict")
	ran := 0
	for _, o := range objects {
		var query string
		var hits int
		var found [][]string
		verdict := "ok"
		switch a := o.Attributes.(type) {
		case *Search:
			body, err := a.searchBody(s.window)
			require.NoError(s.t, err)
			got := s.search(body)
			query, hits = a.Meta.SearchSource.Value.Query.Query, got.Hits.Total.Value
			for _, hit := range got.Hits.Hits {
				found = append(found, []string{string(hit.Source)})
			}
			s.sorted(o.ID, got)
		case *Visualization:
			if a.VisState.Value.Type == visMarkdown {
				continue
			}
			body, err := a.searchBody(s.window)
			require.NoError(s.t, err)
			got := s.search(body)
			query, hits = a.Meta.SearchSource.Value.Query.Query, got.Hits.Total.Value
			missing := map[string]bool{}
			found = rows(s.t, a.VisState.Value.Aggs, got.Aggregations, nil, missing)
			for id, empty := range missing {
				if empty {
					verdict = "no value of metric " + id
				}
			}
		default:
			continue
		}
		ran++
		want := shown[o.ID]
		switch {
		case hits == 0:
			verdict = "NO HITS"
		case len(found) == 0:
			verdict = "NO ROWS"
		case !slices.ContainsFunc(found, func(row []string) bool { return holds(row, want) }):
			verdict = fmt.Sprintf("no row with %q", want)
		}
		assert.Equal(s.t, "ok", verdict, "%s: %v", o.ID, found)
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", o.ID, cmp.Or(query, "(all)"), hits, len(found), verdict)
	}
	require.NoError(s.t, w.Flush())
	s.t.Logf("%d queries:\n%s", ran, table.String())
	for id := range maps.Keys(shown) {
		assert.True(s.t, slices.ContainsFunc(objects, func(o Object) bool { return o.ID == id }), id)
	}
}

// holds tells whether each of the wanted values is in one of the row's.
func holds(row, wanted []string) bool {
	for _, w := range wanted {
		if !slices.ContainsFunc(row, func(cell string) bool { return strings.Contains(cell, w) }) {
			return false
		}
	}
	return true
}

// sorted says that the first hit has the highest value.
func (s *server) sorted(id string, a answer) {
	s.t.Helper()
	last := 0.0
	for i, hit := range a.Hits.Hits {
		require.Len(s.t, hit.Sort, 1, id)
		value, ok := hit.Sort[0].(float64)
		require.True(s.t, ok, "%s: %v", id, hit.Sort)
		assert.True(s.t, i == 0 || value <= last, id)
		last = value
	}
}

// rows are the keys of the innermost buckets. A metric of which missing stays true has no value in any of them.
func rows(t *testing.T, aggs []Agg, results map[string]result, keys []string, missing map[string]bool) [][]string {
	t.Helper()
	at := slices.IndexFunc(aggs, func(a Agg) bool { return a.isBucket() })
	if at < 0 {
		measure(aggs, results, missing)
		return [][]string{keys}
	}
	var found [][]string
	inner := slices.Concat(aggs[:at], aggs[at+1:])
	for _, raw := range results[aggs[at].ID].Buckets {
		var bucket map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(raw, &bucket))
		below := map[string]result{}
		for name, value := range bucket {
			if name != "key" && name != "key_as_string" && name != "doc_count" {
				var r result
				require.NoError(t, json.Unmarshal(value, &r), "%s", value)
				below[name] = r
			}
		}
		key := strings.Trim(string(bucket["key"]), `"`)
		found = append(found, rows(t, inner, below, append(slices.Clone(keys), key), missing)...)
	}
	return found
}

func measure(aggs []Agg, results map[string]result, missing map[string]bool) {
	for _, agg := range aggs {
		if agg.Type == "count" {
			continue
		}
		r := results[agg.ID]
		has := r.Value != nil || len(r.Values) > 0 && !slices.ContainsFunc(r.Values, func(p percentile) bool { return p.Value == nil })
		before, known := missing[agg.ID]
		missing[agg.ID] = !has && (before || !known)
	}
}

// queryInLink is the query in the address of a dashboard.
var queryInLink = regexp.MustCompile(`query:'([^']*)'`)

// drillDown follows the links of one document: to the build, and to the trace in Jaeger.
func (s *server) drillDown(objects []Object) {
	s.t.Helper()
	formats := objects[0].Attributes.(*IndexPattern).FieldFormatMap.Value
	got := s.search(dsl{"size": 1, "query": dsl{"term": dsl{"url.path": "/example.com/broken/@v/v1.0.0.mod"}}})
	require.Len(s.t, got.Hits.Hits, 1)
	var document struct {
		Trace   struct{ ID string } `json:"trace"`
		Span    struct{ ID string } `json:"span"`
		Goproxy struct {
			Session struct{ ID string } `json:"session"`
		} `json:"goproxy"`
	}
	require.NoError(s.t, json.Unmarshal(got.Hits.Hits[0].Source, &document))
	require.Equal(s.t, ciTrace, document.Trace.ID)

	link := queryInLink.FindStringSubmatch(fill(formats["goproxy.session.id"], document.Goproxy.Session.ID))
	require.NotNil(s.t, link)
	filter, _, err := translateKQL(link[1])
	require.NoError(s.t, err)
	assert.Equal(s.t, ciRequests, s.search(dsl{"size": 0, "query": filter}).Hits.Total.Value, "all that the job asked for, and nothing else")

	page := strings.Replace(fill(formats["trace.id"], document.Trace.ID), jaeger, s.jaeger, 1)
	s.get(http.MethodGet, page, "", nil)
	var trace struct {
		Data []struct {
			Spans []struct {
				SpanID string `json:"spanID"`
			} `json:"spans"`
		} `json:"data"`
	}
	backends.Await(s.t, time.Minute, "the document's span in Jaeger", func() bool {
		s.get(http.MethodGet, s.jaeger+"/api/traces?service=goproxy&limit=100", "", &trace)
		for _, one := range trace.Data {
			for _, span := range one.Spans {
				if span.SpanID == document.Span.ID {
					return true
				}
			}
		}
		return false
	})
}
