// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package dashboards is the source of Modtap's Grafana dashboards. What it builds is committed as grafana/*.json, which is what Grafana loads.
//
// Metrics stand in queries by the names that Prometheus knows. [Emitted] lists all that code emits, translated from the declared metrics and
// scraped from a running Modtap, and [Read] takes an expression apart, so that a test can refuse a name or a label that nothing emits.
// [Queries] lists each query of each panel and variable, for who wants to run them against real servers.
package dashboards

//go:generate go run ./generate
