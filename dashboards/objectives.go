// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

// Failed is the regular expression of the values of goproxy_outcome that count against availability. Every 4xx is an
// answer, denied ones included, a client that left is none of the proxy's doing, and what is refused is refused by configuration.
const Failed = "timeout|upstream_error|checksum_mismatch|interrupted"

// Hits is the regular expression of the values of goproxy_cache_result that count as hits. With miss they are the whole of the hit ratio.
const Hits = "hit|revalidated|stale|coalesced"

// Cacheable is the regular expression of the operations that the hit ratio is about: the others are always asked upstream or immutable.
const Cacheable = "info|mod|zip"

// Objective is the service level of a group of operations.
type Objective struct {
	// Name of the group in panels.
	Name string
	// Operations is a regular expression of the values of goproxy_operation.
	Operations string
	// Available is the share of requests that must not fail.
	Available float64
	// Quick is the share of requests that must be answered within Within.
	Quick float64
	// Within, in seconds, is a boundary of the classic buckets, as the label le has it. None is a whole number: Prometheus 2 and 3 write
	// those differently.
	Within string
}

// Objectives are the service levels that dashboards show.
var Objectives = []Objective{
	{Name: "files", Operations: "info|mod", Available: 0.999, Quick: 0.99, Within: "2.5"},
	{Name: "zips", Operations: "zip", Available: 0.999, Quick: 0.95, Within: "7.5"},
	{Name: "questions", Operations: "list|latest|query", Available: 0.999, Quick: 0.99, Within: "2.5"},
	{Name: "checksums", Operations: "sumdb", Available: 0.999, Quick: 0.99, Within: "2.5"},
}
