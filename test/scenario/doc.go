// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package scenario is a rehearsal of an SRE's bad day: the services of deploy/compose (test/stack), a second Modtap with the embedded proxy,
// builds, and one fault after the other. While it runs, alerts must reach the real Alertmanager's receivers exactly as the table of steps
// says; after it, every query of every panel, variable and rule is asked of the real servers, and the dashboards are drawn from the answers.
//
// The rules are those of the committed table, rendered with windows, waits and intervals scaled 1:60 (rules.Settings.Scale), on a
// Prometheus that scrapes and evaluates every second. An hour of them is a minute here. The windows of a week run on backfilled blocks in
// test/backfill.
package scenario
