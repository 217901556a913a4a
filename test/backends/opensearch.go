// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import "testing"

// OpenSearch starts one OpenSearch node, with data streams and without plugins: no ISM. It is asked as Elasticsearch is. A restart
// keeps its indices.
func OpenSearch(tb testing.TB) *ElasticsearchServer {
	tb.Helper()
	return &ElasticsearchServer{Server: searchNode(tb, opensearchRecipe)}
}
