// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package faults breaks Modtap, its disk and its backends under load, and then
// compares: what the clients received completely, against the documents in
// Elasticsearch, the lines of the JSON log, the spans in Jaeger and the counters
// that Prometheus reads. Nothing may be missing, and nothing may be there twice.
package faults
