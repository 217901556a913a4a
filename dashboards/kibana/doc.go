// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package kibana holds Modtap's data view, saved searches and dashboards for Kibana and OpenSearch Dashboards. The Go source here
// renders one file a server, which its saved-objects API imports:
//
//   - kibana.ndjson, in the format of Kibana 7.10 (index-pattern 7.6.0, search 7.9.3, visualization 7.10.0, dashboard 7.9.3). Kibana
//     up to 8.x migrates that at the import; from 8.8 on it takes the versions of migrationVersion for its typeMigrationVersion.
//   - opensearch.ndjson, in the format of OpenSearch Dashboards 2.19, which forked Kibana 7.10 and kept its types and their versions.
//
// Neither server can be had for the tests. Instead the files are decoded strictly into the types of this package, and each query and
// aggregation in them is run, as Kibana would send it, on a real Elasticsearch 7.10 and a real OpenSearch 2.19 that hold what a real
// Modtap has sent.
package kibana

//go:generate go run github.com/modtap/modtap/dashboards/kibana/generate
