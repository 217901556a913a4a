// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package exporterwatch observes how exporters send: how long it takes, what fails, and whether a backend is down now.
//
// Upstream's exporter helper counts what was sent or given up, but no attempt that it will repeat, measures no time, and reports no
// component status. It does open a span for each request that it sends, and adds an event for each attempt. So an exporter that
// [Factory] makes is given a tracer provider that listens to these spans and passes them on. Nothing needs to be configured, and it
// works for every exporter that is built with the helper, upstream's and ours.
package exporterwatch
