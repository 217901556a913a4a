// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package backfill shows that the rules whose windows are hours, days and a week do what they promise, with these windows, on a real
// Prometheus. A rehearsal on live servers divides the windows; here nothing is divided, the past is brought instead:
//
//  1. An OpenMetrics file holds eight and a half days of several proxies, a sample a minute, named and labelled as Modtap does it.
//     `promtool tsdb create-blocks-from openmetrics` makes blocks of it.
//  2. A Prometheus serves these blocks, as that of an operator who loads the rules late. `promtool tsdb create-blocks-from rules`
//     records, from the committed rule files, what the long windows read. It evaluates each rule for itself, so a rule that reads a
//     recorded series finds it only in a second run, with the blocks of the first one served: two runs of the same files, a minute
//     between evaluations, as in the files.
//  3. Debian's Prometheus (2.42 or later) and Prometheus 3 run the committed rule files on the blocks. The files differ from what is
//     committed by one thing: the lines with "for:" are taken out, because nobody waits a quarter of an hour for a test. Windows,
//     thresholds and intervals are real.
//
// What has to fire, by alert, job, window and severity, is listed before; so is what may not: beside each proxy with a fault stands one
// that looks like it. Every measurement that the rules compare is held against one that is reckoned from the list, so that silence
// means "measured, and well" or "known to be too little", never "no data". The same judgement has to refuse a Prometheus without blocks.
package backfill
