// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ElasticsearchServer is a running Elasticsearch node, the OSS build: no ILM, no data streams.
type ElasticsearchServer struct {
	*Server
}

// Elasticsearch starts one node. A restart keeps its indices.
func Elasticsearch(tb testing.TB) *ElasticsearchServer {
	tb.Helper()
	return &ElasticsearchServer{Server: searchNode(tb, elasticsearchRecipe)}
}

// searchNode starts one node of a server that [searchRecipe] built.
func searchNode(tb testing.TB, r recipe) *Server {
	tb.Helper()
	dir := need(tb, r)
	path := toolPath(tb, r.title, javaTool)
	return launch(tb, r.title, 2, func(root string, ports []int) plan {
		address := loopback(ports[0])
		return plan{
			command: command{
				path: path,
				args: append(searchArguments(dir), filepath.Join(root, "data"), strconv.Itoa(ports[0]), strconv.Itoa(ports[1])),
			},
			url:   "http://" + address,
			ready: answers("http://" + address + "/_cluster/health?wait_for_status=yellow&timeout=1s"),
		}
	})
}

// searchArguments are those of java before the server's own: data directory, HTTP port and transport port.
func searchArguments(dir string) []string {
	return []string{"--add-opens=java.base/java.lang=ALL-UNNAMED", "-Xmx768m", "-cp", dir + ":" + filepath.Join(dir, "lib", "*"), "Main"}
}

// searchRecipe brings a search server by Maven and compiles the Main beside it; name is the folder below modules of both.
func searchRecipe(name, title, cold string) recipe {
	return recipe{
		name: name, title: title, cold: cold,
		tools:  []tool{javaTool, javacTool, mavenTool},
		inputs: []string{name + "/pom.xml", name + "/Main.java"},
		build: func(ctx context.Context, modules, dir string) error {
			source := filepath.Join(modules, name)
			lib := filepath.Join(dir, "lib")
			if err := run(ctx, source, nil, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+lib); err != nil {
				return err
			}
			return run(ctx, source, nil, "javac", "-cp", filepath.Join(lib, "*"), "-d", dir, "Main.java")
		},
	}
}

// Hit is one document that was found.
type Hit struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

// Refresh makes everything indexed so far visible to searches.
func (e *ElasticsearchServer) Refresh(tb testing.TB) {
	tb.Helper()
	ask(tb, http.MethodPost, e.URL+"/_refresh", nil)
}

// Search refreshes and returns the hits of a request body in the query DSL; an empty body finds the first 10,000 documents. index may
// be a pattern; one that doesn't exist is empty.
func (e *ElasticsearchServer) Search(tb testing.TB, index, body string) []Hit {
	tb.Helper()
	e.Refresh(tb)
	var answer struct {
		Hits struct {
			Hits []Hit `json:"hits"`
		} `json:"hits"`
	}
	askShards(tb, http.MethodPost, e.URL+"/"+url.PathEscape(index)+"/_search?ignore_unavailable=true", cmp.Or(body, `{"size":10000}`), &answer)
	return answer.Hits.Hits
}

// Count refreshes and returns how many documents match a query-string query such as `status:404 AND operation:zip`; an empty one
// counts all. index is as for Search.
func (e *ElasticsearchServer) Count(tb testing.TB, index, query string) int {
	tb.Helper()
	e.Refresh(tb)
	var answer struct {
		Count int `json:"count"`
	}
	path := "/" + url.PathEscape(index) + "/_count?ignore_unavailable=true"
	if query != "" {
		path += "&q=" + url.QueryEscape(query)
	}
	askShards(tb, http.MethodGet, e.URL+path, "", &answer)
	return answer.Count
}

// askShards is ask for what needs an index's shards. Those of one that was just made are still starting on a busy machine: it is asked
// again.
func askShards(tb testing.TB, method, url, body string, answer any) {
	tb.Helper()
	var raw []byte
	Await(tb, 30*time.Second, "shards that answer", func() bool {
		var err error
		raw, err = fetch(tb.Context(), method, url, body)
		if err != nil && !strings.Contains(err.Error(), "all shards failed") {
			tb.Fatal(err)
		}
		return err == nil
	})
	if err := json.Unmarshal(raw, answer); err != nil {
		tb.Fatal(err)
	}
}
