// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package prometheusexporter shows metrics on a page that Prometheus scrapes. A
// classic and an exponential histogram of one name and one set of attributes are
// shown as one histogram with both kinds of buckets.
package prometheusexporter
