// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package rules is the one table of Modtap's recording rules and alerts. What it renders is committed beside it as Prometheus rule files,
// which is what Prometheus loads: rule_files: [dashboards/rules/*.yaml]. Their tests for promtool are in tests/, their runbooks in
// ../runbooks, and an example of how to route them in ../alertmanager.
//
// Every rule works on classic histogram buckets, so that Prometheus 2.42 and later can run it.
package rules

//go:generate go run ./generate
